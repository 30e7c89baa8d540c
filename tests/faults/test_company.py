"""What goes wrong at once can, and what is printed of it says it again."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.company import at_once, named
from tests.faults.table import FAULTS


@given(st.randoms(use_true_random=False), st.sampled_from((2, 3)))
def test_faults_at_once_do_not_contradict_each_other_and_their_words_name_them_again(
    random: Random, how_many: int
) -> None:
    company = at_once(random, FAULTS, how_many, within_s=15)
    assert len(company) == how_many
    assert sum(len(fault.takes) for fault in company) == len(frozenset().union(*(fault.takes for fault in company)))
    assert named("+".join(map(str, company)), FAULTS) == [company]
