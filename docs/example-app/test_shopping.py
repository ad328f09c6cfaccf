"""The shopping list on good days, and on bad ones."""

import pytest
from shopping import ShoppingList

from homeport.domain.errors import NotFound, Unavailable


@pytest.fixture
def ann(backend):
    ann = backend.user("ann@example.com")
    backend.add_member("home", ann)
    return ann


@pytest.fixture
def ben(backend):
    ben = backend.user("ben@example.com")
    backend.add_member("home", ben)
    backend.device(ben)
    return ben


@pytest.fixture
def groceries(backend):
    return ShoppingList(backend, "home")


def test_a_member_adds_and_another_finds(backend, groceries, ann, ben):
    groceries.add(ann, "Rye bread", "bakery")
    backend.settle()

    backend.assert_event(kind="created", collection="items", space="home", author=ann)
    assert groceries.find(ben, "bread") == ["Rye bread"]


def test_a_stranger_sees_nothing(backend, groceries, ann):
    item = groceries.add(ann, "Rye bread")
    backend.settle()

    with pytest.raises(NotFound):
        groceries.buy(backend.guest(), item.key.id)
    backend.assert_no_event(kind="changed")


def test_who_is_told_gets_a_push(backend, groceries, ann, ben):
    groceries.add(ann, "Milk", tell=(ben.id,))
    backend.settle()

    backend.assert_pushed(ben, title="Please buy", text="Milk", sender=ann)
    backend.assert_not_pushed(ann)


def test_of_two_who_buy_at_once_one_does(backend, groceries, ann, ben):
    item = groceries.add(ann, "Milk").key.id
    bens = []
    backend.faults.interrupt("store.write", lambda: bens.append(groceries.buy(ben, item)))

    assert not groceries.buy(ann, item)
    assert bens == [True]
    backend.assert_event(kind="changed", id=item)


def test_a_throttled_store_takes_nothing_halfway(backend, groceries, ann, ben):
    backend.faults.throttle()
    with pytest.raises(Unavailable):
        groceries.add(ann, "Milk", tell=(ben.id,))
    backend.settle()

    backend.assert_no_event()
    backend.assert_not_pushed()


def test_a_crash_before_the_message_is_queued_loses_nothing(backend, groceries, ann, ben):
    with backend.faults.crash(before="queue.enqueue"):
        groceries.add(ann, "Milk", tell=(ben.id,))

    backend.advance(minutes=2)
    backend.assert_pushed(ben, text="Milk")


def test_whatever_comes_twice_or_out_of_order_is_done_once(backend, groceries, ann, ben):
    backend.faults.duplicate()
    backend.faults.reorder(seed=7)
    backend.faults.redeliver()
    for name in ("Milk", "Rye bread", "White bread"):
        groceries.add(ann, name, tell=(ben.id,))
    backend.settle()

    assert sorted(groceries.find(ben, "bread")) == ["Rye bread", "White bread"]
    backend.assert_pushed(ben, times=3)
    backend.assert_event(times=3, collection="inbox", kind="created", space=ben)
