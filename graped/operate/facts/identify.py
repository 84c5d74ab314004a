"""Have a node blink its activity LED, so that somebody in front of the rack sees which one it is.

The script on the node puts back what was there: when its time is over, when the connection ends or breaks, and when
it is told to end. It has its own time limit: a master that dies leaves no LED blinking.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from graped.api.folding import fold
from graped.core.chore import Chore, ChoreKind
from graped.errors import CommandFailed, NoLed, NotFound
from graped.model import SlotId
from graped.network.ssh_client import Endpoint, Session, connect
from graped.operate.house import House
from graped.work import Work

if TYPE_CHECKING:
    import paramiko

CONNECT_S: Final = 10.0
AT_ONCE: Final = 32
MAX_S: Final = 600.0
POLL_S: Final = 0.1
SPARE_S: Final = 10.0  # how much longer than its time the script may take before we hang up
NO_LED: Final = 3
NOT_ALLOWED: Final = 4

# GRAPE_LEDS: a made-up tree in tests. Sources: Linux, Documentation/leds/leds-class.rst, ledtrig-timer.
# A signal interrupts ``wait``, not a command in the foreground. ``cat`` ends when nothing can come on stdin any more,
# which is so when the connection has ended, however.
SCRIPT: Final = r"""
seconds=$1
leds=${GRAPE_LEDS:-/sys/class/leds}
led=
for one in ACT led0 "*[aA][cC][tT]*" "*green*" "*"; do
    for path in $leds/$one; do
        [ -e "$path/trigger" ] && [ -e "$path/brightness" ] && led=$path && break 2
    done
done
[ -n "$led" ] || { echo "no LED in $leds"; exit 3; }
[ -w "$led/trigger" ] || { echo "only root may switch $led"; exit 4; }
was=$(sed -n 's/.*\[\(.*\)\].*/\1/p' "$led/trigger")
bright=$(cat "$led/brightness")
restore() {
    trap '' HUP INT TERM PIPE
    trap - EXIT
    [ -z "$waiter" ] || kill "$waiter" 2>/dev/null
    echo "${was:-none}" >"$led/trigger"
    [ "${was:-none}" != none ] || echo "$bright" >"$led/brightness"
}
pause() {
    timeout "$1" cat >/dev/null <&3 &
    waiter=$!
    wait "$waiter" 2>/dev/null
}
exec 3<&0
trap 'restore; exit 0' HUP INT TERM PIPE
trap restore EXIT
case " $(cat "$led/trigger") " in
    *[\ \[]timer[\ \]]*)
        echo timer >"$led/trigger"
        for delay in delay_on delay_off; do [ ! -w "$led/$delay" ] || echo 100 >"$led/$delay"; done
        ;;
    *[\ \[]heartbeat[\ \]]*) echo heartbeat >"$led/trigger" ;;
    *)
        echo none >"$led/trigger"
        most=$(cat "$led/max_brightness" 2>/dev/null || echo 255)
        by_hand=yes
        ;;
esac
echo "${led##*/}"
if [ -n "$by_hand" ]; then
    left=$((seconds * 4))
    while [ $left -gt 0 ]; do
        echo $((left % 2 * most)) >"$led/brightness"
        left=$((left - 1))
        pause 0.25 && break
    done
else
    pause "$seconds"
fi
exit 0
"""

Login = Callable[[Endpoint], AbstractContextManager[Session]]


class Identify:
    """Implements ``api.operations.Identify``."""

    def __init__(self, house: House, login: Login | None = None) -> None:
        self._house = house
        self._login = login or self._over_ssh

    def start(self, slots: Sequence[SlotId], *, seconds: float, by: str) -> Chore:
        """Have nodes blink for so long. The job ends when they have stopped; cancelled, they stop at once."""

        def one(slot: SlotId, work: Work) -> str:  # in a thread
            at = self._house.access.endpoint(slot)
            if not at.address:
                raise NotFound(f"{at.name} has no address")
            with self._login(at) as session:
                return f"its LED {blink(session, seconds, work)} has blinked for {seconds:g} s"

        subject = fold(tuple(map(self._house.state.config.node_name, slots)))
        return self._house.chores.start_each(
            ChoreKind.NODE_IDENTIFY, subject, one, tuple(slots), by=by, at_once=AT_ONCE
        )

    def _over_ssh(self, at: Endpoint) -> Session:
        return connect(at, self._house.access.keys.cluster_key(), timeout_s=CONNECT_S)


def command(seconds: float) -> str:
    """Give the line that blinks for so long, by root."""
    return f"sh -c {shlex.quote(SCRIPT)} grape-identify {max(1, round(seconds))}"


def blink(session: Session, seconds: float, work: Work) -> str:
    """Blink until the time is over; return the LED's name (in a thread). Raises: NoLed, CommandFailed, SshError."""
    name = session.endpoint.name
    become = "" if session.endpoint.user == "root" else "sudo -n "
    channel = session.open(become + command(seconds))
    try:
        deadline = time.monotonic() + seconds + SPARE_S
        while not channel.exit_status_ready():
            work.check()  # closing the channel ends the blinking
            if channel.closed or not session.alive:
                raise CommandFailed(f"{name}: the connection broke off; its LED is put back by itself")
            if time.monotonic() > deadline:
                raise CommandFailed(f"{name}: its LED does not stop to blink in time")
            time.sleep(POLL_S)
        return _told(name, channel)
    finally:
        channel.close()


def _told(name: str, channel: paramiko.Channel) -> str:
    code = channel.recv_exit_status()
    said = (channel.recv(4096) + channel.recv_stderr(4096)).decode(errors="replace")
    line = "".join(char if char.isprintable() else " " for char in said).strip()[:200]
    if code == NO_LED:
        raise NoLed(f"{name}: {line}", hint="Not every board has an LED that Linux can switch.")
    if code != 0:
        hint = "Blinking needs root on the node: ssh.user, or sudo without a password." if code == NOT_ALLOWED else ""
        raise CommandFailed(f"{name}: {line or f'exit code {code}'}", hint=hint)
    return line
