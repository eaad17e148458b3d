"""The command ``symgraph`` (or ``python -m symgraph``): demo, bench, doctor, config, run, check.

Exit codes: 0 all well, 1 the command could not do its work, 2 wrong usage or wrong settings, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import symgraph
from symgraph import config

__all__ = ["CommandError", "UsageError", "main", "print_table"]


class CommandError(Exception):
    """A command cannot do its work; the message says why and what to do, without a traceback."""


class UsageError(CommandError):
    """A command was asked for something that does not exist."""


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]], file: Any = None) -> None:
    """Print aligned columns: numbers to the right, words to the left."""
    table = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    right = [all(_is_number(row[column]) for row in table[1:]) and len(table) > 1 for column in range(len(header))]
    for number, row in enumerate(table):
        cells = [cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(row, widths, right)]
        print("  ".join(cells).rstrip(), file=file)
        if number == 0:
            print("  ".join("-" * width for width in widths), file=file)


def _is_number(cell: str) -> bool:
    return bool(cell) and (cell[0].isdigit() or cell == "-")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def show_settings(options: argparse.Namespace) -> int:
    """``symgraph config``: each setting, its value and where it came from."""
    found = config.settings()
    if options.json:
        print(json.dumps({s.name: {"value": _plain(s.value), "where": s.where} for s in found}, indent=2))
    else:
        print_table(("setting", "value", "where it came from"), found)
    return 0


def run_demo(options: argparse.Namespace) -> int:
    """``symgraph demo``: train a small network on real handwritten digits."""
    _choose(options.executor)
    from symgraph import demo

    return demo.run(epochs=options.epochs, seed=options.seed, verbose=options.verbose)


def run_bench(options: argparse.Namespace) -> int:
    """``symgraph bench``: measure workloads on executors and on other frameworks, each in processes of its own."""
    from symgraph import benchmarking
    from symgraph.benchmarking import processes

    known = benchmarking.WORKLOADS
    if options.list:
        rows = [(name, ", ".join(map(str, each.batches)), each.description) for name, each in known.items()]
        print_table(("workload", "batch", "what it is"), rows)
        return 0
    names = options.workload or benchmarking.DEFAULT
    names = list(known) if "all" in names else names
    for what, given, possible in (("workload", names, known), ("peer", options.peer, processes.PEERS)):
        unknown = [name for name in given if name not in possible]
        if unknown:
            raise UsageError(f"unknown {what} {unknown[0]!r}; known: {', '.join(possible)}")
    if options.json == options.markdown == "-":
        raise UsageError("--json and --markdown cannot both be printed: name a file for one of them")
    return benchmarking.run(
        names,
        [config.find_executor(name) for name in options.executor or [config.executor_name()]],
        peers=options.peer,
        pythons=options.peer_python,
        batches=options.batch,
        threads=options.threads,
        seconds=options.seconds,
        cold=options.cold,
        patience=options.time_limit or benchmarking.PATIENCE,
        as_json=options.json,
        markdown=options.markdown,
        plot=options.plot,
        history=options.history,
    )


def run_doctor(options: argparse.Namespace) -> int:
    """``symgraph doctor``: what is installed, which executors can run, and why not."""
    from symgraph import doctor

    return doctor.run(as_json=options.json)


def run_script(options: argparse.Namespace) -> int:
    """``symgraph run``: run a Keras script in its dialect."""
    from symgraph.scripts import run

    return run.run(
        Path(options.script),
        options.arguments,
        keras=options.keras,
        fix_python2=options.fix_python2,
        full_traceback=options.traceback,
    )


def check_script(options: argparse.Namespace) -> int:
    """``symgraph check``: what a script uses, and whether it is offered."""
    from symgraph.scripts import check

    if not Path(options.script).is_file():
        raise CommandError(f"no such script: {options.script}")
    return check.run(Path(options.script), as_json=options.json)


def _choose(executor: str | None) -> None:
    if executor:
        config.set_executor(executor)


def _positive_integer(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a positive integer is needed, got {text!r}")
    return int(text)


def _positive_number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a positive number is needed, got {text!r}")
    return value


def _add_bench(add: Any, executor_help: str) -> None:
    """Describe ``symgraph bench`` to the parser."""
    bench = add(
        "bench",
        run_bench,
        "measure compile times, step times and memory, beside other frameworks",
        "Run workloads on executors and peers. Each has fresh processes: one with an empty cache of compiled code "
        "(cold), one with the cache that the first left, which then takes turns with those of the other contestants.",
    )
    bench.add_argument("--executor", metavar="NAME", action="append", help=executor_help + "; may be repeated")
    bench.add_argument("--workload", metavar="NAME", action="append", help="see --list, or all; may be repeated")
    bench.add_argument("--batch", metavar="N", nargs="+", type=_positive_integer, default=[],
                       help="rows of a step; default: the workload's own")  # fmt: skip
    bench.add_argument("--threads", metavar="N", nargs="+", type=_positive_integer, default=[],
                       help="of each contestant; default: as `symgraph config` shows")  # fmt: skip
    bench.add_argument("--peer", metavar="NAME", action="append", default=[],
                       help="torch, torch-compile, jax, tf-keras, where installed; may be repeated")  # fmt: skip
    bench.add_argument("--peer-python", metavar="PATH", action="append", default=[],
                       help="an interpreter to look for peers in, after this one; may be repeated")  # fmt: skip
    bench.add_argument("--seconds", type=_positive_number, default=2.0, metavar="S", help="warm steps' time each (2)")
    bench.add_argument("--no-cold", dest="cold", action="store_false", help="no starts with empty caches")
    bench.add_argument("--list", action="store_true", help="list the workloads and exit")
    bench.add_argument("--json", metavar="FILE", nargs="?", const="-",
                       help="write JSON to a file; without one, print it rather than a table")  # fmt: skip
    bench.add_argument("--markdown", metavar="FILE", nargs="?", const="-",
                       help="the same for tables in Markdown, with what they were measured with")  # fmt: skip
    bench.add_argument("--time-limit", type=_positive_number, metavar="S",
                       help="give up a contestant whose start or turn takes longer (900)")  # fmt: skip
    bench.add_argument("--plot", metavar="FILE", help="draw the steps' times (needs matplotlib)")
    bench.add_argument("--history", metavar="FILE", help="compare with the JSON of an earlier run")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="symgraph",
        description="A symbolic computation-graph framework that speaks Keras 1 and Keras 2.",
        epilog="The executor is chosen by KERAS_BACKEND=numba|cupy|numpy, then by ~/.keras/keras.json, then numba.",
    )
    parser.add_argument("--version", action="version", version=f"symgraph {symgraph.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=True)
    executor_help = "numba (or cpu), cupy (or gpu), numpy; default: as `symgraph config` shows"

    def add(name: str, function: Any, summary: str, description: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=description)
        command.set_defaults(function=function)
        return command

    demo = add(
        "demo",
        run_demo,
        "train a small network on real handwritten digits",
        "Train a small convolutional network on scikit-learn's 1,797 handwritten digits (8x8 pixels) and test it on "
        "a fifth of them. Exits with 1 if the accuracy on the test digits is not above 0.97.",
    )
    demo.add_argument("--executor", metavar="NAME", help=executor_help)
    demo.add_argument("--epochs", type=_positive_integer, default=15, metavar="N", help="passes over the data (15)")
    demo.add_argument("--seed", type=int, default=7, metavar="N", help="seed of weights, dropout and order (7)")
    demo.add_argument("--quiet", dest="verbose", action="store_const", const=2, default=1, help="a line an epoch")

    _add_bench(add, executor_help)

    doctor = add(
        "doctor",
        run_doctor,
        "what is installed, which executors can run, and why not",
        "Look at the installation: packages, processor, BLAS, kernel cache, and a small computation on each executor. "
        "Exits with 1 if the chosen executor cannot run.",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON rather than text")

    script = add(
        "run",
        run_script,
        "run a Keras script, of Keras 1 or 2, without Keras",
        "Run a script whose `import keras` (or `tensorflow.keras`) finds symgraph. Exits with the script's own code.",
    )
    script.add_argument("--keras", choices=("1", "2", "auto"), default="auto", help="the dialect; auto: by the script")
    script.add_argument("--fix-python2", action="store_true", help="run a copy of a Python-2 script, made Python 3")
    script.add_argument("--traceback", action="store_true", help="show all frames of an error, not the script's alone")
    script.add_argument("script", help="the script")
    script.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script finds in sys.argv")

    check = add(
        "check",
        check_script,
        "list the Keras names and arguments of a script",
        "List every Keras name and argument that a script uses, and which dialect offers it. Nothing is run. Exits "
        "with "
        "1 if the script's dialect lacks one of them.",
    )
    check.add_argument("--json", action="store_true", help="print JSON rather than a table")
    check.add_argument("script", help="the script")

    settings = add(
        "config",
        show_settings,
        "each setting and where it came from",
        "Show each setting, its value and where it came from: the environment, the user's keras.json, or a default.",
    )
    settings.add_argument("--json", action="store_true", help="print JSON rather than a table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    # Arguments
        arguments: the words after the program's name (default: ``sys.argv[1:]``).

    # Returns
        The exit code.  Wrong usage leaves through SystemExit(2), as argparse does it.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.function(options)
    except (config.ConfigurationError, UsageError) as error:
        print(f"symgraph: {error}", file=sys.stderr)
        return 2
    except CommandError as error:
        print(f"symgraph: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`symgraph doctor | head`): say nothing, and let nothing flush into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
