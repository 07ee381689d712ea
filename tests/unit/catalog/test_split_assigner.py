"""Each class is shared out by the shares, groups stay whole, and what was dealt stays."""

from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardmill.catalog.split_assigner import SplitAssigner, place_in_order
from shardmill.contract.options.split import parse_splits

SPLITS = parse_splits("train=.8,val=.1,test=.1")


def deal_singles(dealer, counts):
    """Deal sources one by one, class after class; how many of each class each split got."""
    return {
        label: Counter(dealer.deal(label, sources=1) for _ in range(count))
        for label, count in counts.items()
    }


def test_a_class_of_a_hundred_is_shared_out_exactly():
    dealt = deal_singles(SplitAssigner(SPLITS), {"a": 100, "b": 50})

    assert dealt == {
        "a": {"train": 80, "val": 10, "test": 10},
        "b": {"train": 40, "val": 5, "test": 5},
    }


def test_many_small_classes_are_fair_to_every_split():
    """Of five sources a split of a tenth gets one in every second class, not in none or all."""
    dealt = deal_singles(SplitAssigner(SPLITS), {f"class {n}": 5 for n in range(100)})

    assert sum(dealt.values(), Counter()) == {"train": 400, "val": 50, "test": 50}
    assert all(counts["train"] == 4 for counts in dealt.values())


def test_a_source_alone_in_its_class_is_for_the_largest_split():
    dealt = deal_singles(SplitAssigner(SPLITS), {"a": 1})

    assert dealt == {"a": {"train": 1}}


def test_large_groups_leave_the_rest_to_make_up_for_them():
    """By hand: of 14, train lacks 1.2 and val 1.4; of 16, train 2.8; of 17, test 1.7."""
    dealer = SplitAssigner(SPLITS)

    assert dealer.deal("a", sources=10) == "train"
    assert dealer.deal("a", sources=4) == "val"
    assert dealer.deal("a", sources=2) == "train"
    assert dealer.deal("a", sources=1) == "test"


def test_what_has_its_split_keeps_it_and_counts():
    dealer = SplitAssigner(SPLITS)
    dealer.keep("a", sources=10, split="val")
    dealer.keep("a", sources=99, split="one of an earlier spec")

    assert Counter(dealer.deal("a", sources=1) for _ in range(90)) == {"train": 80, "test": 10}


def test_the_order_is_that_of_a_hash():
    key = b"v_Basketball_g23"

    assert place_in_order(key) == int(blake2b(key, digest_size=8).hexdigest(), 16) // 2
    assert 0 <= place_in_order(key) < 2**63


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9)), max_size=60))
def test_no_split_strays_further_than_one_group(groups):
    """A split that has too much of a class gets nothing more of it until it lacks some."""
    dealer, have, total = SplitAssigner(SPLITS), Counter(), Counter()
    for label, sources in groups:
        have[label, dealer.deal(label, sources=sources)] += sources
        total[label] += sources
    largest = max((sources for _, sources in groups), default=0)

    for (label, name), count in have.items():
        share = next(float(split.share) for split in SPLITS if split.name == name)
        assert count - share * total[label] <= largest + 1e-9


@pytest.mark.parametrize("text", ["a=1", "a=.5,b=.5", "a=.34,b=.33,c=.33"])
def test_everything_is_dealt(text):
    splits = parse_splits(text)
    dealer = SplitAssigner(splits)

    dealt = Counter(dealer.deal(None, sources=1) for _ in range(300))

    assert {name: dealt[name] for name in dealt} == {
        split.name: round(300 * float(split.share)) for split in splits
    }
