"""Action profiles over P4Runtime: members, groups, and the one-shot sets that entries carry themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from finsy.proto import p4i, p4r

from topo.p4switch.runtime.actions import ActionCodec, find
from topo.p4switch.runtime.errors import exhausted, invalid, unimplemented
from topo.p4switch.runtime.values import canonical
from topo.p4switch.state import (
    ActionRef,
    Group,
    GroupMember,
    GroupRef,
    Member,
    MemberRef,
    OneShot,
    Profile,
    Switch,
    WeightedAction,
)

INSERT, MODIFY, DELETE = p4r.Update.Type.INSERT, p4r.Update.Type.MODIFY, p4r.Update.Type.DELETE

Place = p4r.ActionProfileGroup.Member | p4r.ActionProfileAction
"""What stands in a group or a one-shot set: a weight, perhaps a port to watch."""


class ProfileServer:
    """One action profile or selector as the controller sees it. The caller holds ``Switch.lock``."""

    def __init__(
        self, switch: Switch, profile: Profile, declared: p4i.ActionProfile, actions: dict[int, ActionCodec]
    ) -> None:
        """``actions``: those of the profile's tables, by P4Info id."""
        self.id = declared.preamble.id
        self.what = f"action profile {declared.preamble.name}"
        self.profile = profile
        self.one_shots = 0
        """Entries that carry a one-shot set; while there are any, members and groups are refused."""
        self._max_sizes: dict[int, int] = {}
        """What each group was made with; the data plane has no limit of its own."""
        self._switch = switch
        self._declared = declared
        self._actions = actions
        self._by_program = {codec.program_id: codec for codec in actions.values()}

    def write_member(self, kind: int, wanted: p4r.ActionProfileMember) -> None:
        """Insert, modify or delete a member."""
        if wanted.member_id == 0:
            raise invalid(f"{self.what}: member_id has to be above 0")
        if kind == DELETE:
            self.profile.delete_member(wanted.member_id)
            return
        if not wanted.HasField("action"):
            raise invalid(f"{self.what}: member {wanted.member_id} needs an action")
        call = find(self._actions, wanted.action, self.what).call(wanted.action)
        if kind == INSERT:
            self._check_style(one_shot=False)
            self.profile.insert_member(wanted.member_id, call)
        else:
            self.profile.modify_member(wanted.member_id, call)

    def write_group(self, kind: int, wanted: p4r.ActionProfileGroup) -> None:
        """Insert, modify or delete a group."""
        if not self._declared.with_selector:
            raise invalid(f"{self.what} has no selector, so no groups")
        if wanted.group_id == 0:
            raise invalid(f"{self.what}: group_id has to be above 0")
        if kind == DELETE:
            self.profile.delete_group(wanted.group_id)
            del self._max_sizes[wanted.group_id]
            return
        self._check_max_size(wanted)
        seen = [member.member_id for member in wanted.members]
        if len(set(seen)) != len(seen):
            raise invalid(f"{self.what}: group {wanted.group_id} names a member twice; use its weight")
        members = tuple(
            GroupMember(one.member_id, self._weight(one), self._watch_port(one)) for one in wanted.members
        )
        if kind == INSERT:
            self._check_style(one_shot=False)
            self._check_total(members, wanted.max_size)
            self.profile.insert_group(wanted.group_id, members)
            self._max_sizes[wanted.group_id] = wanted.max_size
            return
        size = self._max_sizes[self.profile.group(wanted.group_id).id]
        if size != wanted.max_size:
            raise invalid(
                f"{self.what}: group {wanted.group_id} was made with max_size {size}, which cannot change"
            )
        self._check_total(members, wanted.max_size)
        self.profile.modify_group(wanted.group_id, members)

    def members(self, member_id: int) -> Iterator[p4r.ActionProfileMember]:
        """The member of that id if it is there; with 0, all."""
        held = self.profile.members
        chosen = list(held.values()) if member_id == 0 else [held[member_id]] if member_id in held else []
        for member in chosen:
            yield self._member(member)

    def groups(self, group_id: int) -> Iterator[p4r.ActionProfileGroup]:
        """The group of that id if it is there; with 0, all."""
        held = self.profile.groups
        chosen = list(held.values()) if group_id == 0 else [held[group_id]] if group_id in held else []
        for group in chosen:
            yield self._group(group)

    def reference(self, action: p4r.TableAction, actions: Mapping[int, ActionCodec], what: str) -> ActionRef:
        """What an indirect table's entry names; ``actions`` are the table's own codecs."""
        kind = action.WhichOneof("type")
        if kind == "action_profile_member_id":
            self._check_style(one_shot=False)
            return MemberRef(action.action_profile_member_id)
        if not self._declared.with_selector:
            raise invalid(f"{what}: its {self.what} has no selector: entries take a member id, not {kind}")
        if kind == "action_profile_group_id":
            self._check_style(one_shot=False)
            return GroupRef(action.action_profile_group_id)
        if kind != "action_profile_action_set":
            raise invalid(
                f"{what} is an indirect table: it takes a member, a group or an action set, not {kind}"
            )
        self._check_style(one_shot=True)
        return self._one_shot(action.action_profile_action_set, dict(actions), what)

    def action(self, ref: ActionRef, by_program: Mapping[int, ActionCodec]) -> p4r.TableAction:
        """The message of what an indirect table's entry names."""
        if isinstance(ref, MemberRef):
            return p4r.TableAction(action_profile_member_id=ref.member)
        if isinstance(ref, GroupRef):
            return p4r.TableAction(action_profile_group_id=ref.group)
        assert isinstance(ref, OneShot)
        made = p4r.ActionProfileActionSet()
        for choice in ref.actions:
            one = made.action_profile_actions.add()
            one.action.CopyFrom(by_program[choice.call.action].message(choice.call.params))
            self._write_place(one, choice.weight, choice.watch_port)
        return p4r.TableAction(action_profile_action_set=made)

    def _one_shot(
        self, wanted: p4r.ActionProfileActionSet, actions: dict[int, ActionCodec], what: str
    ) -> OneShot:
        if wanted.action_selection_mode or wanted.size_semantics:
            raise unimplemented(
                f"{what}: selection mode and size semantics are the selector's, not an entry's"
            )
        choices = tuple(
            WeightedAction(
                find(actions, one.action, what).call(one.action), self._weight(one), self._watch_port(one)
            )
            for one in wanted.action_profile_actions
        )
        limit = self._declared.max_group_size
        if limit and self._size(choices) > limit:
            raise invalid(f"{what}: an action set of size {self._size(choices)}, max_group_size is {limit}")
        return OneShot(choices)

    def _member(self, member: Member) -> p4r.ActionProfileMember:
        action = self._by_program[member.action].message(member.params)
        return p4r.ActionProfileMember(action_profile_id=self.id, member_id=member.id, action=action)

    def _group(self, group: Group) -> p4r.ActionProfileGroup:
        made = p4r.ActionProfileGroup(action_profile_id=self.id, group_id=group.id)
        made.max_size = self._max_sizes[group.id]
        for place in group.members:
            one = made.members.add(member_id=place.member)
            self._write_place(one, place.weight, place.watch_port)
        return made

    def _write_place(self, one: Place, weight: int, watch_port: int | None) -> None:
        one.weight = 0 if self._declared.weights_disallowed else weight
        if watch_port is not None:
            one.watch_port = canonical(watch_port)

    def _weight(self, one: Place) -> int:
        """A place's weight as the data plane counts it."""
        if self._declared.weights_disallowed:
            if one.weight:
                raise invalid(f"{self.what} has no weights; leave weight 0 instead of {one.weight}")
            return 1
        if one.weight <= 0:
            raise invalid(f"{self.what}: a weight has to be above 0, not {one.weight}")
        limit = self._declared.sum_of_members.max_member_weight
        if limit and one.weight > limit:
            raise invalid(f"{self.what}: weight {one.weight} is above max_member_weight {limit}")
        return one.weight

    def _watch_port(self, one: Place) -> int | None:
        """The port that a place watches; None if it watches none."""
        kind = one.WhichOneof("watch_kind")
        if kind is None or (kind == "watch_port" and not one.watch_port):
            return None
        port = int.from_bytes(one.watch_port, "big") if kind == "watch_port" else one.watch
        if port not in self._switch.ports.all():
            known = ", ".join(map(str, sorted(self._switch.ports.all()))) or "none"
            raise invalid(f"{self.what}: watch_port {port} does not exist; the ports are {known}")
        return port

    def _size(self, places: tuple[GroupMember, ...] | tuple[WeightedAction, ...]) -> int:
        """Size of a group by the selector's semantics."""
        if self._declared.HasField("sum_of_members"):
            return len(places)
        return sum(place.weight for place in places)

    def _check_total(self, members: tuple[GroupMember, ...], max_size: int) -> None:
        limit = max_size or self._declared.max_group_size
        if limit and self._size(members) > limit:
            raise exhausted(f"{self.what}: a group of size {self._size(members)}, its limit is {limit}")

    def _check_max_size(self, wanted: p4r.ActionProfileGroup) -> None:
        limit = self._declared.max_group_size
        if wanted.max_size < 0 or (limit and wanted.max_size > limit):
            raise invalid(f"{self.what}: max_size {wanted.max_size} is not in 0..{limit or 'any'}")

    def _check_style(self, one_shot: bool) -> None:
        """A selector is programmed by action sets or by members and groups, never by both."""
        if one_shot and (self.profile.members or self.profile.groups):
            raise invalid(f"{self.what} is programmed with members and groups: action sets are not possible")
        if not one_shot and self.one_shots:
            raise invalid(f"{self.what} is programmed with action sets: members and groups are not possible")
