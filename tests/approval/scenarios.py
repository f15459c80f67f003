"""Reads scenarios from YAML and plays them.

A step is a request of an actor and what has to come back:

    {alice: createRoom, body: {name: x}, status: 201, keep: room}
    {bob: getRooms, within: 6, has: {roomId: $room.roomId}}

``$name.member`` stands for what a step kept, or for the account of an actor. ``within`` is a number of
seconds in which it has to come true; ``has`` and ``lacks`` look for an element of the list (``in``: of that
member), ``is`` at the whole answer. ``raw`` is a request past the interface: method and path.
"""

import time
from pathlib import Path

import attrs
import yaml

from tests.approval.actors import BY_NAME, Actor

FILES = sorted(Path(__file__).parent.glob("scenarios/*.yaml"))
_OPTIONS = {"body", "path", "query", "content", "headers"}
_WORDS = _OPTIONS | {"status", "keep", "within", "has", "lacks", "is", "in", "raw", "token", "text"}


@attrs.frozen
class Scenario:
    name: str
    use_case: int  #: of the acceptance checklist
    products: tuple
    generations: tuple
    actors: dict  #: name, and where: ``a`` or ``b``, two servers of the product; ``pro`` of the other product
    steps: tuple

    @classmethod
    def of(cls, data):
        scenario = cls(
            data["name"],
            data["use_case"],
            tuple(data.get("products", ("pro", "epa"))),
            tuple(data.get("generations", ("1.1", "1.2"))),
            data["actors"],
            tuple(data["steps"]),
        )
        for step in scenario.steps:
            unknown = set(step) - _WORDS - set(scenario.actors)
            assert not unknown, f"{scenario.name}: {unknown}"
            operation = step[_actor_of(step, scenario.actors)]
            assert operation in BY_NAME or operation == "raw", f"{scenario.name}: {operation}"
        return scenario


def all_scenarios():
    return [Scenario.of(each) for path in FILES for each in yaml.safe_load(path.read_text())]


def play(scenario, interfaces):
    """Play it.

    Args:
        scenario: what to play.
        interfaces: those of actors, by name.
    """
    actors, kept = {}, {}
    try:
        for name, where in scenario.actors.items():
            same = where.get("as") if isinstance(where, dict) else None
            actors[name] = Actor.on(interfaces[name], actors.get(same))
            kept[name] = actors[name].account
        for number, step in enumerate(scenario.steps, start=1):
            _play_step(f"step {number}: {step}", step, actors, kept)
    finally:
        for actor in actors.values():
            actor.release()


def _actor_of(step, names):
    (name,) = (each for each in step if each in names)
    return name


def _play_step(what, step, actors, kept):
    name = _actor_of(step, actors)
    deadline = time.monotonic() + step.get("within", 0)
    while True:
        answer = _request(actors[name], step[name], step, kept)
        wrong = _wrong(answer, step, kept)
        if wrong is None:
            break
        assert time.monotonic() < deadline, f"{what}: {wrong}; {answer.status_code} {answer.text[:2000]}"
        time.sleep(0.25)
    if "keep" in step:
        kept[step["keep"]] = answer.json()
    if step[name] == "login":
        actors[name].account = kept[name] = answer.json()


def _request(actor, operation, step, kept):
    if operation == "raw":
        method, path = _filled(step["raw"], kept)
        return actor.raw(method, path, _filled(step.get("body"), kept), step.get("token", True))
    options = {key: _filled(step[key], kept) for key in _OPTIONS & step.keys()}
    if "content" in options:
        options["content"] = options["content"].encode()
    return actor.do(operation, **options)


def _wrong(answer, step, kept):
    """What does not fit, or ``None``."""
    wanted = step.get("status", (200, 201, 204))
    wanted = (wanted,) if isinstance(wanted, int) else wanted
    if answer.status_code not in wanted:
        return f"wanted status {wanted}"
    if "text" in step:
        return None if answer.text == step["text"] else f"wanted {step['text']!r}"
    if not {"has", "lacks", "is"} & step.keys():
        return None
    body = answer.json()
    if "is" in step and not _fits(_filled(step["is"], kept), body):
        return f"wanted {step['is']}"
    elements = body[step["in"]] if "in" in step else body
    if "has" in step and not any(_fits(_filled(step["has"], kept), each) for each in elements):
        return f"nothing like {step['has']}"
    if "lacks" in step and any(_fits(_filled(step["lacks"], kept), each) for each in elements):
        return f"something like {step['lacks']}"
    return None


def _fits(wanted, found):
    """Whether all that is wanted is there; there may be more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(k in found and _fits(v, found[k]) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and all(any(_fits(w, f) for f in found) for w in wanted)
    return wanted == found


def _filled(value, kept):
    """The value with what ``$name.member`` stands for."""
    if isinstance(value, dict):
        return {key: _filled(each, kept) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, kept) for each in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    if value.startswith("$") and " " not in value and "/" not in value:
        return _member(value, kept)
    return "/".join(str(_member(each, kept)) if each.startswith("$") else each for each in value.split("/"))


def _member(reference, kept):
    name, *members = reference.removeprefix("$").split(".")
    found = kept[name]
    for member in members:
        found = found[int(member)] if member.isdecimal() else found[member]
    return found
