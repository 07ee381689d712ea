"""Comparisons of the engine with other hands' answers on real files, for tests and for the page.

Each module here measures one claim and returns a ``Comparison``.  A test asserts that every
difference is explained in ``explained.tsv`` and that every explanation is still needed;
``python -m correctness`` writes them all to ``docs/correctness.md``.
"""
