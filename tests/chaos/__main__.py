"""Try jobs on sick machines, a seed each: ``PYTHONPATH=tests python -m chaos --seeds 0-9``.

A seed freezes and kills workers and decoders, or sets Redis back, while one in a hundred calls on
files fails.  It is passed if the data set is that of a calm run, sound, with nothing left over.
The directory of a seed that fails is kept, with the logs of all its programs.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos import media
from chaos.content import Content
from chaos.trial import DONE, SPEC, Setting, Trial, Verdict, environment
from shardmill.local.cluster import redis_server


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.partition("\n\n")[2])
    parser.add_argument("--seeds", type=_seeds, default=range(10), metavar="FIRST-LAST")
    parser.add_argument("--seconds", type=float, default=20.0, help="of harm, a seed")
    parser.add_argument("--share", type=float, default=0.01, help="of calls on files that fail")
    parser.add_argument("--jobs", type=int, default=1, help="seeds tried side by side")
    return parser.parse_args(arguments)


def prepared(root: Path, *, storm_s: float, share: float) -> Setting:
    """Make the inputs, and what a calm run makes of them."""
    folder, out = root / "in", root / "calm" / "out"
    expected = media.make(folder)
    command = [sys.executable, "-m", "shardmill", "run", folder, "--out", out, *SPEC]
    calm = subprocess.run(command, env=environment(out.parent), capture_output=True, check=False)
    assert calm.returncode in DONE, calm.stderr.decode()
    right = Content.of(out)
    assert right.ends() == expected, set(right.ends().items()) ^ set(expected.items())
    return Setting(folder, right, redis_server(), storm_s=storm_s, share=share)


def tried(setting: Setting, root: Path, seeds: range, *, jobs: int) -> Iterator[Verdict]:
    """Try every seed, and remove the directories of those that are passed."""

    def verdict_of(seed: int) -> Verdict:
        place = root / str(seed)
        verdict = Trial(seed, place, setting).run()
        if not verdict.wrong:
            shutil.rmtree(place)
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(verdict_of, seeds)


def _line(verdict: Verdict) -> str:
    end = "failed" if verdict.wrong else "passed"
    return (
        f"{verdict.seed:5}  {verdict.mode:4}  {end}  {verdict.seconds:5.0f} s  "
        f"{verdict.blows:3} blows  {verdict.faults:4} faults  {verdict.runs:3} runs"
    )


def _table(verdicts: list[Verdict]) -> Iterator[str]:
    for mode in ("stop", "back"):
        of_mode = [verdict for verdict in verdicts if verdict.mode == mode]
        passed = sum(not verdict.wrong for verdict in of_mode)
        yield f"{mode}: {passed} of {len(of_mode)} passed"
    yield "What commands said that ended before the job was done:"
    said = Counter(sentence for verdict in verdicts for sentence in verdict.interruptions)
    yield from (f"{count:5}  {sentence}" for sentence, count in said.most_common(20))


def main(arguments: list[str]) -> int:
    """Try the seeds that are asked for; return 1 if one has failed."""
    asked = _arguments(arguments)
    root = Path(tempfile.mkdtemp(prefix="c"))  # short: sockets lie in it
    setting = prepared(root, storm_s=asked.seconds, share=asked.share)
    verdicts = []
    for verdict in tried(setting, root, asked.seeds, jobs=asked.jobs):
        print(_line(verdict), flush=True)
        for wrong in verdict.wrong:
            print(f"         {wrong}", flush=True)
        verdicts.append(verdict)
    print("", *_table(verdicts), sep="\n")
    failed = [verdict.seed for verdict in verdicts if verdict.wrong]
    if failed:
        print(f"Failed: {' '.join(map(str, failed))}; their logs are in {root}")
        return 1
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
