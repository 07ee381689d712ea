"""Where a job's inputs come from: directories, archives, or a list of what to take from them."""

import os
from collections.abc import Callable, Iterator

from shardmill.contract.location.archive import is_archive
from shardmill.contract.location.roots import Roots
from shardmill.contract.spec import Spec
from shardmill.inputs.archives.entering import entered
from shardmill.inputs.listing import listed
from shardmill.inputs.scan import Filter, Scanned, found_at, scan
from shardmill.inputs.sequences import SequenceGrouper, Suggestion

Note = Callable[[str], None]


def found_in(
    roots: Roots, list_file: str | None, spec: Spec, note: Note
) -> Iterator[Iterator[Scanned]]:
    """Yield the inputs of a job, those of each root after the other.

    Args:
        roots: The input directories.
        list_file: What is to be taken from them; None takes what is there.
        spec: Says which files are inputs.
        note: Receives a sentence for each folder or file that cannot be read, for what is left
            out, and for paths of a list whose blanks are stripped.

    Raises:
        InvalidInput: A root or the list cannot be read.
    """
    if list_file is not None:
        wanted = Filter(spec.include or ("*",), spec.exclude, archives=spec.archives)
        hz = spec.fps_of if spec.sequences else None
        inputs = listed(list_file, roots, wanted, note, sequences_hz=hz)
        yield entered(inputs, roots, wanted)
        return
    for base, top in roots.bases:
        root = os.path.join(base, top)
        is_one = is_archive(root.rstrip("/")) and os.path.isfile(root.rstrip("/"))
        wanted = Filter(
            spec.include,
            spec.exclude,
            hidden=spec.hidden,
            archives=spec.archives or is_one,
            sequences=spec.sequences,
        )
        if is_one:
            yield entered([found_at(base, top.rstrip("/"))], roots, wanted)
            summary = None
        elif spec.sequences:
            grouper = SequenceGrouper(spec.fps_of, wanted)
            yield grouper.group(scan(base, wanted, note, top=top))
            summary = grouper.summary()
        else:
            suggestion = Suggestion()
            yield entered(suggestion.observe(scan(base, wanted, note, top=top)), roots, wanted)
            summary = suggestion.summary()
        for sentence in filter(None, (wanted.left_out(), summary)):
            note(sentence)
