"""argv -> daemon."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from graped import DEFAULT_CONFIG, __version__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="graped",
        description="The daemon of Grape: polls and switches the slots of a rack, and serves the API on a Unix socket.",
        epilog="Exit codes: 0 stopped as asked; 1 could not run; 2 bad configuration or arguments.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"configuration (default {DEFAULT_CONFIG})")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="API socket (default: api.socket of the config)")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where state is kept (default: store.state_dir)")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default="info")
    parser.add_argument("--version", action="version", version=f"graped {__version__}")
    check = parser.add_argument_group("look at the configuration and exit")
    check.add_argument(
        "--check-config", nargs="?", const="", metavar="FILE", help="print every error of all files; exit 2 if any"
    )
    check.add_argument("--show-config", nargs="?", const="", metavar="FILE", help="print the effective values as TOML")
    sim = parser.add_argument_group(
        "simulated rack (no hardware is touched; no server is started without --sim-netboot)"
    )
    sim.add_argument("--simulate", action="store_true", help="run on a simulated rack, which outlives the daemon")
    sim.add_argument("--sim-trace", type=Path, metavar="FILE", help="append every transaction as a JSON line")
    sim.add_argument("--sim-faults", type=Path, metavar="FILE", help="faults to inject (TOML)")
    sim.add_argument(
        "--sim-nodes", type=Path, metavar="FILE", help="which slots are simulated, empty or external (TOML)"
    )
    sim.add_argument(
        "--sim-netboot", action="store_true", help="run DHCP, TFTP and NFS all the same, for external slots (root)"
    )
    sim.add_argument("--sim-stop", action="store_true", help="end the simulated rack of --state-dir and exit")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the daemon, or look at a configuration."""
    parser = _parser()
    args = parser.parse_args(argv)
    for option in ("sim_trace", "sim_faults", "sim_nodes", "sim_netboot"):
        if getattr(args, option) and not args.simulate:
            parser.error(f"--{option.replace('_', '-')} needs --simulate")
    # Late imports: --help and a wrong option answer at once.
    if args.check_config is not None or args.show_config is not None:
        from graped.config import check
        from graped.hardware.drivers import registry

        asked = args.check_config if args.show_config is None else args.show_config
        path = Path(asked) if asked else args.config or Path(DEFAULT_CONFIG)
        if args.show_config is not None:
            return check.show(path, registry.find(), sys.stdout, state_dir=args.state_dir)
        from graped.bottom import judge_machine
        from graped.provision.supervision import shortcomings
        from graped.runner import SubprocessRunner

        notes = lambda config: shortcomings(config, SubprocessRunner())  # noqa: E731
        return check.check(path, registry.find(), sys.stdout, machine=judge_machine, notes=notes)
    if args.sim_stop:
        if args.state_dir is None:
            parser.error("--sim-stop needs --state-dir")
        from graped.hardware.sim import start

        print("stopped" if start.stop(args.state_dir) else "no simulated rack runs there")
        return 0
    from graped.daemon import Options, run

    return run(
        Options(
            config=args.config,
            simulate=args.simulate,
            socket=args.socket,
            state_dir=args.state_dir,
            sim_trace=args.sim_trace,
            sim_faults=args.sim_faults,
            sim_nodes=args.sim_nodes,
            sim_netboot=args.sim_netboot,
            log_level=args.log_level,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
