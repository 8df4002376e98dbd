"""Action profiles and selectors: members, groups with weights, and members whose watched port is down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from topo.p4switch.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from topo.p4switch.program.model import ActionCall, ActionDef, ProfileDef
from topo.p4switch.refs import ActionRef, GroupRef, MemberRef, OneShot


class Member:
    """An action with its parameters; `refs` counts the entries and groups that use it."""

    __slots__ = ("action", "id", "params", "refs")

    def __init__(self, member_id: int, call: ActionCall) -> None:
        """A member nothing uses yet."""
        self.id = member_id
        self.action = call.action
        self.params = call.params
        self.refs = 0

    @property
    def call(self) -> ActionCall:
        """The action and parameters as one value."""
        return ActionCall(self.action, self.params)


@dataclass(frozen=True)
class GroupMember:
    """A member's place in a group; `watch_port` None is always live."""

    member: int
    weight: int = 1
    watch_port: int | None = None


class Group:
    """A selector group: `live` holds every live member as often as its weight; the hash picks one."""

    __slots__ = ("choices", "id", "live", "max_size", "members", "refs")

    def __init__(self, group_id: int, max_size: int) -> None:
        """An empty group."""
        self.id = group_id
        self.max_size = max_size
        self.members: tuple[GroupMember, ...] = ()
        self.choices: tuple[tuple[Member, int, int | None], ...] = ()
        self.live: list[Member] = []
        self.refs = 0

    def pick(self, value: int) -> Member | None:
        """The member for a hash value, or None when no member is live."""
        live = self.live
        return live[value % len(live)] if live else None

    def refresh(self, port_up: Callable[[int], bool]) -> None:
        """Compute `live` again from the members and the ports' states."""
        self.live = [
            member
            for member, weight, port in self.choices
            if port is None or port_up(port)
            for _ in range(weight)
        ]


class Profile:
    """An action profile's live state. The caller holds `Switch.lock` around every method."""

    def __init__(
        self, definition: ProfileDef, actions: dict[int, ActionDef], port_up: Callable[[int], bool]
    ) -> None:
        """An empty profile; `port_up` answers for watched ports."""
        self.definition = definition
        self.name = definition.name
        self.members: dict[int, Member] = {}
        self.groups: dict[int, Group] = {}
        self._oneshots: list[Group] = []
        self._actions = actions
        self._port_up = port_up

    def member(self, member_id: int) -> Member:
        """The member of that id, or NotFound."""
        found = self.members.get(member_id)
        if found is None:
            raise NotFound(f"action profile {self.name}: no member {member_id}")
        return found

    def group(self, group_id: int) -> Group:
        """The group of that id, or NotFound."""
        found = self.groups.get(group_id)
        if found is None:
            raise NotFound(f"action profile {self.name}: no group {group_id}")
        return found

    def insert_member(self, member_id: int, call: ActionCall) -> Member:
        """Add a member; AlreadyExists, ResourceExhausted, InvalidArgument."""
        if member_id in self.members:
            raise AlreadyExists(f"action profile {self.name}: member {member_id} is there already")
        if self.definition.max_size and len(self.members) >= self.definition.max_size:
            raise ResourceExhausted(
                f"action profile {self.name} is full with {self.definition.max_size} members"
            )
        self._check(call)
        made = self.members[member_id] = Member(member_id, call)
        return made

    def modify_member(self, member_id: int, call: ActionCall) -> Member:
        """Give a member another action; entries and groups that use it follow at once."""
        member = self.member(member_id)
        self._check(call)
        member.action, member.params = call.action, call.params
        return member

    def delete_member(self, member_id: int) -> None:
        """Remove a member; FailedPrecondition while an entry or group uses it."""
        if self.member(member_id).refs:
            raise FailedPrecondition(f"action profile {self.name}: member {member_id} is in use")
        del self.members[member_id]

    def insert_group(self, group_id: int, members: tuple[GroupMember, ...], max_size: int = 0) -> Group:
        """Add a group; `max_size` 0 sets no limit on the sum of its weights."""
        if self.definition.selector is None:
            raise InvalidArgument(f"action profile {self.name} has no selector, so no groups")
        if group_id in self.groups:
            raise AlreadyExists(f"action profile {self.name}: group {group_id} is there already")
        group = Group(group_id, max_size)
        self._fill(group, members)
        self.groups[group_id] = group
        return group

    def modify_group(self, group_id: int, members: tuple[GroupMember, ...]) -> Group:
        """Replace a group's members."""
        group = self.group(group_id)
        old = group.members
        self._fill(group, members)
        for place in old:
            self.members[place.member].refs -= 1
        return group

    def delete_group(self, group_id: int) -> None:
        """Remove a group; FailedPrecondition while an entry uses it."""
        group = self.group(group_id)
        if group.refs:
            raise FailedPrecondition(f"action profile {self.name}: group {group_id} is in use")
        for place in group.members:
            self.members[place.member].refs -= 1
        del self.groups[group_id]

    def acquire(self, ref: ActionRef) -> Member | Group:
        """What a table entry's reference names, with the reference counted."""
        if isinstance(ref, MemberRef):
            member = self.member(ref.member)
            member.refs += 1
            return member
        if isinstance(ref, GroupRef):
            group = self.group(ref.group)
            group.refs += 1
            return group
        assert isinstance(ref, OneShot)
        return self._oneshot(ref)

    def release(self, ref: ActionRef, target: Member | Group | None) -> None:
        """Give back what `acquire` returned for `ref`; a one-shot's group is forgotten."""
        if isinstance(ref, OneShot):
            self._oneshots = [g for g in self._oneshots if g is not target]
        elif target is not None:
            target.refs -= 1

    def all_groups(self) -> Iterator[Group]:
        """Named groups and one-shot ones."""
        yield from self.groups.values()
        yield from self._oneshots

    def refresh(self) -> None:
        """Compute every group's live members again, as after a port changed its state."""
        for group in self.all_groups():
            group.refresh(self._port_up)

    def _oneshot(self, ref: OneShot) -> Group:
        if self.definition.selector is None:
            raise InvalidArgument(f"action profile {self.name} has no selector, so no one-shot action sets")
        group = Group(0, 0)
        for choice in ref.actions:
            _check_weight(self.name, choice.weight)
        group.choices = tuple((Member(0, c.call), c.weight, c.watch_port) for c in ref.actions)
        group.refresh(self._port_up)
        self._oneshots.append(group)
        return group

    def _fill(self, group: Group, members: tuple[GroupMember, ...]) -> None:
        total = 0
        choices = []
        for place in members:
            _check_weight(self.name, place.weight)
            total += place.weight
            choices.append((self.member(place.member), place.weight, place.watch_port))
        if len({place.member for place in members}) != len(members):
            raise InvalidArgument(f"action profile {self.name}: group {group.id} names a member twice")
        if group.max_size and total > group.max_size:
            raise ResourceExhausted(
                f"action profile {self.name}: group {group.id} has weight {total}, its limit is {group.max_size}"
            )
        group.members = members
        group.choices = tuple(choices)
        for member, _, _ in choices:
            member.refs += 1
        group.refresh(self._port_up)

    def _check(self, call: ActionCall) -> None:
        action = self._actions.get(call.action)
        if action is None:
            raise InvalidArgument(f"action profile {self.name}: no action {call.action}")
        if len(call.params) != len(action.params):
            raise InvalidArgument(
                f"action {action.name} takes {len(action.params)} parameters, got {len(call.params)}"
            )
        for param, value in zip(action.params, call.params, strict=True):
            if value < 0 or value >> param.width:
                raise InvalidArgument(
                    f"action {action.name}: parameter {param.name} = {value:#x} is wider than {param.width} bits"
                )


def _check_weight(profile: str, weight: int) -> None:
    if weight < 1:
        raise InvalidArgument(f"action profile {profile}: weight {weight} is not at least 1")
