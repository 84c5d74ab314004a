"""The contract of commands on nodes: what each of them said. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeError:
    """Why a command did not run on a node, or not to its end: stable code, a sentence, what helps."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOutput:
    """What became of a command on one node; ``number`` counts the nodes of a job in the order in which they ended."""

    number: int  # the first one is 1
    name: str
    code: int | None  # its exit code; None: ``error`` says why there is none
    stdout: str
    stderr: str
    stdout_cut: bool  # there was more, which is not kept
    stderr_cut: bool
    seconds: float  # with logging in
    error: NodeError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResults:
    """The nodes of a job whose command ended, behind a number; perhaps not all of them in one answer."""

    job: int
    nodes: tuple[NodeOutput, ...]
    last: int  # the number of the last one here; ask behind it for the next
    total: int  # nodes of the job
    ended: bool  # the job has ended, and nothing comes behind ``last``
    kept: bool  # False: results of this job are not kept (any more), or it is no job that has any
