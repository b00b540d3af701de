import pytest
from small_runs import small

from companion.errors import CompanionError
from companion.rlhf import TIERS, Experiment


def test_equal_content_equal_id_and_defaults_are_part_of_it():
    assert small().id == small(beta=0.0, seed=0).id == small(rewards={"weak": 1}).id
    assert small().id != small(beta=0.1).id


def test_sizes_come_from_the_tier():
    made = Experiment(task="deceptive", rewards={"weak": 1.0})
    assert made.steps == TIERS["tiny"].steps
    assert made.hidden_size == TIERS["tiny"].hidden_size


def test_seed_follows_sft_seed_unless_given():
    assert small(sft_seed=3).seed == 3
    assert small(sft_seed=3, seed=5).start == small(sft_seed=3).start


def test_start_ignores_what_only_reinforcement_learning_reads():
    assert small(beta=0.5, rewards={"strong": 1.0}).start.id == small().start.id
    assert small(hidden_size=32).start.id != small().start.id


def test_round_trip():
    made = small(beta=0.1)
    assert Experiment(**made.model_dump(mode="json")) == made


BAD = {
    "unknown task": ({"task": "nothing"}, "nothing"),
    "unknown tier": ({"tier": "huge"}, "huge"),
    "unknown component": ({"rewards": {"oracle": 1.0}}, "oracle"),
    "no component": ({"rewards": {}}, "at least one"),
    "weight": ({"rewards": {"weak": float("nan")}}, "nan"),
    "beta": ({"beta": -0.1}, "beta"),
    "group": ({"batch_size": 30, "group_size": 16}, "30 is not divisible by group_size 16"),
    "masses": ({"traces": {"honest": 0.4, "open": 0.4}}, "sum to 0.8"),
    "negative mass": ({"traces": {"honest": 1.5, "open": -0.5}}, ">= 0"),
    "unknown trace": ({"traces": {"lazy": 1.0}}, "lazy"),
    "unknown field": ({"temperature": 1.0}, "temperature"),
    "trainer": ({"trainer": "ppo"}, "ppo"),
    "tolerance": ({"gradient_tolerance": 0.1}, "only the trainer exact knows its gradient"),
    "recurrent": ({"architecture": "rwkv"}, "rwkv is trained by exact, without samples"),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_one_line(name):
    fields, message = BAD[name]
    with pytest.raises(CompanionError, match=message) as caught:
        small(**fields)
    assert "\n" not in str(caught.value)


def test_another_tier_asks_the_same_question_at_its_own_sizes():
    small = Experiment(
        task="alignment", rewards={"oracle": 1.0}, beta=0.3, sft_steps=800, seed=7, sft_seed=3
    )
    large = small.at_tier("large")
    assert small.at_tier("tiny") == small
    assert (large.tier, large.sft_steps) == ("large", TIERS["large"].sft_steps)
    for kept in ("task", "rewards", "beta", "seed", "sft_seed", "traces"):
        assert getattr(large, kept) == getattr(small, kept)
    with pytest.raises(CompanionError, match="no 'huge'"):
        small.at_tier("huge")
