"""Where a job's inputs come from: directories, archives, or a list of what to take from them."""

import os
from collections.abc import Callable, Iterator

from shardmill.contract.archive import is_archive
from shardmill.submission.archives.entering import entered
from shardmill.submission.listing import listed
from shardmill.submission.request import Request
from shardmill.submission.scan import Filter, Found, found_at, scan

Note = Callable[[str], None]


def found_in(request: Request, note: Note) -> Iterator[Iterator[Found]]:
    """Yield the inputs of a job, those of each root after the other.

    Args:
        request: What is asked for.
        note: Receives a sentence for each folder or file that cannot be read, for what is left
            out, and for paths of a list whose blanks are stripped.

    Raises:
        InvalidInput: A root or the list cannot be read.
    """
    spec, roots = request.spec, request.roots
    if request.list_file is not None:
        wanted = Filter(spec.include or ("*",), spec.exclude, archives=spec.archives)
        inputs = listed(request.list_file, roots, wanted, note)
        yield entered(inputs, roots, wanted)
        return
    for base, top in roots.bases:
        root = os.path.join(base, top)
        is_one = is_archive(root.rstrip("/")) and os.path.isfile(root.rstrip("/"))
        wanted = Filter(
            spec.include, spec.exclude, hidden=spec.hidden, archives=spec.archives or is_one
        )
        if is_one:
            inputs = iter([found_at(base, top.rstrip("/"))])
        else:
            inputs = scan(base, wanted, note, top=top)
        yield entered(inputs, roots, wanted)
        if (left_out := wanted.left_out()) is not None:
            note(left_out)
