# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Compose project has the value of a service's environment variable from, and the same files with another one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

PyYAML tells where in the text a value stands; only these characters are exchanged, so comments, order, quoting and anchors stay
as they are. Compose's own rules (its reference on ``environment``, ``env_file`` and interpolation): what ``environment`` says
counts before ``env_file``; a variable in ``${…}`` is looked up in the environment of the one who runs Compose, then in ``.env``,
then its default counts.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils import _compose_project
from ansible_collections.pooled.odoo.plugins.module_utils._compose_project import (
    HAS_YAML,
    Definition,
    File,
    Project,
)
from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

if HAS_YAML:
    import yaml

# A new variable goes beside the one that says the other half of the address.
_SIBLINGS = {"HOST": "PORT", "PORT": "HOST"}


class Place(t.NamedTuple):
    """Where a value stands: the characters ``start`` to ``end`` of a file. ``before`` and ``after`` are put around a new
    value; they are empty where only the old value is exchanged. ``quote``: that of the text around it."""

    path: str
    start: int
    end: int
    value: str
    before: str = ""
    after: str = ""
    quote: str = ""


def set_variables(
    project: Project, service: str, variables: t.Mapping[str, str | None], together: t.Collection[str] = ()
) -> dict[str, str]:
    """The files that have to change so that *service* gets *variables*, ``{path: new text}``; empty where it has them already.
    A variable that is None is taken out again where it was added before. Services in *together* may get them too; where others
    read the same env_file, the service gets them in its own environment, which counts first.

    Raises PooledError, with the line to write by hand, where a value comes from outside or the text cannot be edited surely.
    """
    changed: dict[str, str] = {}
    for name, value in sorted(variables.items()):
        # Every edit moves what stands behind it, so the next one looks again.
        now = project._replace(
            compose_files={path: changed.get(path, text) for path, text in project.compose_files.items()},
            variable_files={path: changed.get(path, text) for path, text in project.variable_files.items()},
            read=lambda path: changed.get(path) or project.read(path),
        )
        place = _removal(now, service, name) if value is None else _place_for(now, service, name, value, together)
        if place is None or place.value == value:
            continue
        text = now.text_of(place.path)
        new = place.before + _quoted(value or "", place, service, name) + place.after
        changed[place.path] = text[: place.start] + new + text[place.end :]
        if place.path in {definition.file.path for definition in _compose_project.definitions(now, service)}:
            _compose_project.parse(place.path, changed[place.path])
    return changed


def _place_for(project: Project, service: str, variable: str, value: str, together: t.Collection[str]) -> Place | None:
    """Where *value* is to be written."""
    place = find(project, service, variable)
    if place is None:
        return _room_for(project, service, variable, together)
    others = _compose_project.readers(project, place.path) - {service, *together}
    if place.value == value or not others:
        return place
    # An env_file of others stays; the service's own words count before, those that refer to it are exchanged.
    return _in_environments(project, service, variable, interpolate=False) or _room_for(
        project, service, variable, together
    )


def find(project: Project, service: str, variable: str) -> Place | None:
    """The place of the value that *service* gets for *variable*; None where no file gives it one."""
    place = _in_environments(project, service, variable)
    if place is not None:
        return place
    for definition in _compose_project.definitions(project, service):
        for path in reversed(_compose_project.env_files_of(definition)):
            place = _in_variable_file(path, project.read(path) or "", variable)
            if place is not None:
                return place
    return None


def composite(project: Project, service: str, variables: t.Iterable[str]) -> list[str]:
    """Those of *variables* whose value is put together from others, each with its file: all of it is exchanged, so what it was
    made of has no effect any more. The value itself may be a secret."""
    places = [(name, find(project, service, name)) for name in sorted(variables)]
    return [f"{name} in {place.path}" for name, place in places if place and "$" in place.value and place.quote != "'"]


def _quoted(value: str, place: Place, service: str, variable: str) -> str:
    """*value* as it has to be written between the quotes of *place*."""
    if place.quote == "'":
        return value.replace("'", "''")
    if place.quote == '"':
        return value.replace("\\", "\\\\").replace('"', '\\"')
    if place.quote == "dotenv" and re.search(r"[\s'\"#\\]", value):
        raise PooledError(
            f"{variable} cannot be written into {place.path} without quotes; {_by_hand(service, variable)}"
        )
    return value


# --- a place in a compose file ----------------------------------------------------------------------------------------


def _in_environments(project: Project, service: str, variable: str, interpolate: bool = True) -> Place | None:
    """The place in the service's own environments, or in what it extends. Without *interpolate* that of the text there, be it
    ``${…}`` or nothing at all."""
    found = _compose_project.definitions(project, service)
    if not found:
        names = ", ".join(project.compose_files)
        raise PooledError(f"the service {service} is not in {names}; {_by_hand(service, variable)}")
    for definition in found:
        place = _in_environment(project, definition, service, variable, interpolate)
        if place is not None:
            return place
    return None


def _in_environment(
    project: Project, definition: Definition, service: str, variable: str, interpolate: bool
) -> Place | None:
    node, path = definition.environment, definition.file.path
    _refuse_tags(node, path, service, variable)
    for entry, value in _entries(node):
        name, sign, _text = entry.value.partition("=") if value is None else (entry.value, "=", "")
        if name != variable:
            continue
        if value is None:
            place = _scalar_place(project, path, entry, len(name) + len(sign), service, variable)
            passed_on = not sign
            bare = place._replace(start=place.end, before="=")
        else:
            _refuse_tags(value, path, service, variable)
            place = _scalar_place(project, path, value, 0, service, variable)
            # Nothing at all, not an empty text in quotes: whoever runs Compose gives it.
            passed_on = value.style is None and value.value in ("", "~", "null")
            bare = place._replace(before=" " if place.start == entry.end_mark.index + 1 else "")
        if not interpolate:
            return bare if passed_on else place
        text = "${" + variable + "}" if passed_on else place.value
        return _interpolated(project, definition.file, place, text, service, variable)
    return None


def _entries(environment: t.Any) -> list[tuple[t.Any, t.Any]]:
    """The entries of an environment, (key, value), or (item, None) of a list; its own before those that are merged into it."""
    if isinstance(environment, yaml.MappingNode):
        own = [(key, value) for key, value in environment.value if key.tag != "tag:yaml.org,2002:merge"]
        merged = [value for key, value in environment.value if key.tag == "tag:yaml.org,2002:merge"]
        lists = [node.value if isinstance(node, yaml.SequenceNode) else [node] for node in merged]
        return own + [entry for nodes in lists for node in nodes for entry in _entries(node)]
    if isinstance(environment, yaml.SequenceNode):
        return [(item, None) for item in environment.value if isinstance(item, yaml.ScalarNode)]
    return []


def _refuse_tags(node: t.Any, path: str, service: str, variable: str) -> None:
    if node is not None and node.tag in ("!reset", "!override"):
        raise PooledError(f"{path} says {node.tag} of the environment of {service}; {_by_hand(service, variable)}")


_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def _scalar_place(project: Project, path: str, node: t.Any, skip: int, service: str, variable: str) -> Place:
    """The characters of a scalar, behind its first *skip*, without its anchor, tag and quotes."""
    text = project.text_of(path)
    properties = _PROPERTIES.match(text, node.start_mark.index)
    start, end = properties.end() if properties else node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        line = node.start_mark.line + 1
        raise PooledError(
            f"{path}, line {line}, has the value in lines of its own ({node.style}); write it in one line, then repeat"
        )
    quote = node.style if node.style in ("'", '"') else ""
    if quote:
        start, end = start + 1, end - 1
        if text[start:end] != node.value:
            raise PooledError(
                f"{path}, line {node.start_mark.line + 1}, has the value in quotes with escapes; {_by_hand(service, variable)}"
            )
    return Place(path, start + skip, end, node.value[skip:], quote=quote)


_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-?])(.*))?\})\Z", re.DOTALL)


def _interpolated(project: Project, file: File, place: Place, value: str, service: str, variable: str) -> Place:
    """Where a value that may be ``${NAME:-default}`` really comes from."""
    if "$" not in value:
        return place
    reference = _REFERENCE.match(value)
    if reference is None or "$" in (reference.group(4) or ""):
        # Of several parts, so all of it.
        return place
    name = reference.group(1) or reference.group(2)
    for path in file.variable_files:
        found = _in_variable_file(path, project.text_of(path), name)
        if found is not None:
            return found
    operator, default = reference.group(3) or "", reference.group(4) or ""
    if operator not in ("-", ":-"):
        raise PooledError(
            f"{variable} of the service {service} comes from {name} in the environment of whoever runs Compose;"
            f" {_by_hand(service, variable)}"
        )
    start = place.start + reference.start(4)
    return Place(place.path, start, start + len(default), default, quote=place.quote)


# --- a new line, and away with it -------------------------------------------------------------------------------------


def _room_for(project: Project, service: str, variable: str, together: t.Collection[str]) -> Place:
    """Where a variable that no file gives can be added: beside its sibling, else in the service's own environment, of the file
    that counts most among those that have one."""
    beside = _beside_sibling(project, service, variable, together)
    if beside is not None:
        return beside
    own = [definition for definition in _compose_project.definitions(project, service) if definition.own]
    with_room = next(((one.own_environment, one.file.path) for one in own if one.own_environment is not None), None)
    if with_room is not None:
        environment, path = with_room
        text = project.text_of(path)
        heads = [head[0] if isinstance(head, tuple) else head for head in environment.value]
        first = next((head for head in heads if _is_in(environment, head, head)), None)
        if first is None:
            raise PooledError(
                f"the environment of the service {service} is made of anchors; {_by_hand(service, variable)}"
            )
        begin = _above_comments(text, _line_start(text, first.start_mark.index))
        return Place(path, begin, begin, "", _opening(text, environment, first, variable), _ending(text))
    for one in own:
        if one.environment is not None:
            # An environment of its own would hide the one that is merged into the service, or that stands on one line.
            raise PooledError(
                f"the environment of the service {service} comes from an anchor or is on one line; {_by_hand(service, variable)}"
            )
    block = next((one for one in own if _is_block(one.node)), None)
    if block is None:
        raise PooledError(f"the service {service} is written on one line; {_by_hand(service, variable)}")
    text, first = project.text_of(block.file.path), block.node.value[0][0]
    column, ending = " " * first.start_mark.column, _ending(text)
    begin = _above_comments(text, _line_start(text, first.start_mark.index))
    before = f"{column}environment:{ending}{column}  {variable}: "
    return Place(block.file.path, begin, begin, "", before, ending)


def _is_block(node: t.Any) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def _opening(text: str, environment: t.Any, entry: t.Any, variable: str) -> str:
    """What stands before the value in a line of this *environment*, written as the *entry* that is there."""
    begin = _line_start(text, entry.start_mark.index)
    if isinstance(environment, yaml.SequenceNode):
        return text[begin : entry.start_mark.index].rstrip("'\"") + f"{variable}="
    return f"{' ' * entry.start_mark.column}{variable}: "


def _beside_sibling(project: Project, service: str, variable: str, together: t.Collection[str]) -> Place | None:
    """The line below the one that gives the other half of the address; None where that is in no file that may be changed, or
    not on a line of its own there."""
    half = next((end for end in _SIBLINGS if variable.endswith(end)), None)
    if half is None:
        return None
    sibling = variable[: -len(half)] + _SIBLINGS[half]
    found = _compose_project.definitions(project, service)
    for definition in (one for one in found if one.own):
        environment, text = definition.own_environment, project.text_of(definition.file.path)
        for entry, value in _entries(environment):
            last = entry if value is None else value
            if (
                entry.value.partition("=")[0] == sibling
                and _is_in(environment, entry, last)
                and last.style not in ("|", ">")
                and last.end_mark.line == entry.start_mark.line
            ):
                opening = _opening(text, environment, entry, variable)
                return _below(definition.file.path, text, last.end_mark.index, opening)
    for definition in found:
        for path in reversed(_compose_project.env_files_of(definition)):
            place = _in_variable_file(path, project.read(path) or "", sibling)
            if place is not None and not _compose_project.readers(project, path) - {service, *together}:
                return _below(path, project.read(path) or "", place.end, f"{variable}=")
    return None


def _is_in(environment: t.Any, entry: t.Any, last: t.Any) -> bool:
    """Whether an entry stands in this environment itself: an alias, and what is merged, stands where its anchor is."""
    first = environment.start_mark.index
    return bool(first <= entry.start_mark.index <= last.start_mark.index < environment.end_mark.index)


def _below(path: str, text: str, index: int, opening: str) -> Place:
    """A new line below the one with the character at *index*."""
    end = text.find("\n", index)
    if end < 0:
        return Place(path, len(text), len(text), "", _ending(text) + opening, "")
    return Place(path, end + 1, end + 1, "", opening, _ending(text))


def _above_comments(text: str, begin: int) -> int:
    """The start of the lines of comment right above the line that starts at *begin*: they belong to it."""
    while begin > 0:
        above = _line_start(text, begin - 1)
        if not text[above:begin].lstrip().startswith("#"):
            break
        begin = above
    return begin


def _ending(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _removal(project: Project, service: str, variable: str) -> Place | None:
    """The line of a variable that was added, and the ``environment:`` above it where nothing else is in there; None where it is
    not there."""
    for definition in _compose_project.definitions(project, service):
        environment, path = definition.environment, definition.file.path
        text = project.text_of(path)
        for entry, value in _entries(environment):
            if entry.value.partition("=")[0] != variable:
                continue
            own = definition.own_environment if definition.own else None
            if own is None or not _is_in(own, entry, entry if value is None else value):
                raise PooledError(
                    f"{variable} of the service {service} is not on a line of its own in {path}; take it out there by hand"
                )
            start, end = _line_start(text, entry.start_mark.index), _line_end(text, (value or entry).end_mark.index)
            if len(own.value) > 1:
                return Place(path, start, end, text[start:end])
            key = next(name for name, node in definition.node.value if node is environment)
            head = _line_start(text, key.start_mark.index)
            return Place(path, head, end, text[head:end], before=text[_line_end(text, key.end_mark.index) : start])
    for definition in _compose_project.definitions(project, service):
        for path in reversed(_compose_project.env_files_of(definition)):
            text = project.read(path) or ""
            place = _in_variable_file(path, text, variable)
            if place is not None:
                start, end = _line_start(text, place.start), _line_end(text, place.end)
                if end == len(text) and not text.endswith("\n"):
                    # It was added behind a last line that did not end.
                    start = max(0, start - len(_ending(text)))
                return Place(path, start, end, text[start:end])
    return None


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    return text.find("\n", index) + 1 or len(text)


# --- env_file and .env ------------------------------------------------------------------------------------------------

# A value in quotes may go over several lines, which are none that give a variable a value.
_ASSIGNMENT = re.compile(
    r"""^\ufeff?[ \t]*(?:export[ \t]+)?(?P<name>[\w.-]+)[ \t]*[=:][ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\n]*?))(?=[ \t]*(?:[ \t]\#[^\n]*)?\r?$)""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)


def _in_variable_file(path: str, text: str, variable: str) -> Place | None:
    """The last line that gives *variable* a value."""
    found = None
    for match in _ASSIGNMENT.finditer(text):
        if match.group("name") == variable:
            group = next(name for name in ("single", "double", "bare") if match.group(name) is not None)
            # Between single quotes Compose takes everything as it stands, so nothing there can be written twice.
            quote = {"single": "", "double": '"', "bare": "dotenv"}[group]
            found = Place(path, match.start(group), match.end(group), match.group(group), quote=quote)
    return found


def _by_hand(service: str, variable: str) -> str:
    return f"write it into the compose file yourself (services.{service}.environment.{variable}) and run docker compose up -d"
