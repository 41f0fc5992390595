# Copyright (c) 2026, the pooled.odoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a Compose project has the value of a service's environment variable from, and the same files with another one.

This module util is PRIVATE to the collection. It can have breaking changes at any time.

PyYAML tells where in the text a value stands; only these characters are exchanged, so comments, order, quoting and anchors stay
as they are. Compose's own rules (its reference on ``environment``, ``env_file``, interpolation and merging): what ``environment``
says counts before ``env_file``, a later file before an earlier one, a service's own words before what it extends; a variable in
``${…}`` is looked up in the environment of the one who runs Compose, then in ``.env``, then its default counts.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.pooled.odoo.plugins.module_utils._errors import PooledError

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

# Compose looks no deeper either.
MAX_EXTENDS = 20
# A new variable goes beside the one that says the other half of the address.
_SIBLINGS = {"HOST": "PORT", "PORT": "HOST"}


class Project(t.NamedTuple):
    """A project's files, all as text by path: ``compose_files`` in the order in which they were given to Compose,
    ``variable_files`` those that interpolation reads (``.env``). ``read`` gives the text of any other file that they name, None
    where there is none."""

    directory: str
    compose_files: t.Mapping[str, str]
    variable_files: t.Mapping[str, str]
    read: t.Callable[[str], str | None]


class Place(t.NamedTuple):
    """Where a value stands: the characters ``start`` to ``end`` of a file. ``before`` and ``after`` are put around a new
    value; they are empty where only the old value is exchanged."""

    path: str
    start: int
    end: int
    value: str
    before: str = ""
    after: str = ""


class Definition(t.NamedTuple):
    """One place that says something about a service: the node of the service in the file *path*, whose relative paths begin at
    *directory*. ``own``: it is the service's own, not what it extends."""

    path: str
    node: t.Any
    directory: str
    own: bool = True


def set_variables(
    project: Project, service: str, variables: t.Mapping[str, str | None], together: t.Collection[str] = ()
) -> dict[str, str]:
    """The files that have to change so that *service* gets *variables*, ``{path: new text}``; empty where it has them already.
    A variable that is None is taken out again where it was added before. Services in *together* may get them too; where others
    read the same env_file, the service gets them in its own environment, which counts first.

    Raises PooledError, with the line to write by hand, where a value comes from outside.
    """
    changed: dict[str, str] = {}
    for name, value in sorted(variables.items()):
        # Every edit moves what stands behind it, so the next one looks again.
        now = project._replace(
            compose_files={path: changed.get(path, text) for path, text in project.compose_files.items()},
            variable_files={path: changed.get(path, text) for path, text in project.variable_files.items()},
            read=lambda path: changed.get(path) or project.read(path),
        )
        place = find(now, service, name)
        if value is None:
            place, value = place and _line_of(now, place), ""
        elif place is None or (place.value != value and _is_of_others(now, place.path, service, together)):
            place = _room_for(now, service, name, together)
        if place is None or place.value == value:
            continue
        text = _text_of(now, place.path)
        changed[place.path] = text[: place.start] + place.before + value + place.after + text[place.end :]
    return changed


def find(project: Project, service: str, variable: str) -> Place | None:
    """The place of the value that *service* gets for *variable*; None where no file gives it one."""
    definitions = list(_definitions(project, service))
    if not definitions:
        files = ", ".join(project.compose_files)
        raise PooledError(f"the service {service} is not in {files}; {_by_hand(service, variable)}")
    for definition in definitions:
        place = _in_environment(project, definition.path, _value(definition.node, "environment"), service, variable)
        if place is not None:
            return place
    for definition in definitions:
        for path in reversed(_env_files(definition)):
            place = _in_variable_file(path, project.read(path) or "", variable)
            if place is not None:
                return place
    return None


def composite(project: Project, service: str, variables: t.Iterable[str]) -> list[str]:
    """Those of *variables* whose value is put together from others, each with the text that stands there: all of it is
    exchanged, so what it was made of has no effect any more."""
    places = [(name, find(project, service, name)) for name in sorted(variables)]
    return [f"{name}={place.value} ({place.path})" for name, place in places if place and "$" in place.value]


def env_files(project: Project) -> set[str]:
    """Every file that a service of the project reads as env_file."""
    return {path for name in _services(project) for each in _definitions(project, name) for path in _env_files(each)}


def _is_of_others(project: Project, path: str, service: str, together: t.Collection[str]) -> bool:
    """Whether *path* is an env_file that a service reads which is not to be changed."""
    others = set(_services(project)) - {service, *together}
    return path not in project.compose_files and any(
        path in _env_files(each) for name in others for each in _definitions(project, name)
    )


def _services(project: Project) -> list[str]:
    names: dict[str, None] = {}
    for path, _directory in _files_of(project):
        services = _value(_root(path, _text_of(project, path)), "services")
        names.update(dict.fromkeys(name.value for name, _node in services.value) if services is not None else {})
    return list(names)


def _files_of(project: Project) -> list[tuple[str, str]]:
    """The Compose files, what counts most first, each with the directory where its relative paths begin; behind them what they
    include."""
    given = [(path, project.directory) for path in reversed(list(project.compose_files))]
    found, waiting = list(given), list(given)
    while waiting:
        path, directory = waiting.pop(0)
        for included in _included(project, path, directory):
            if included not in found:
                found.append(included)
                waiting.append(included)
    return found


def _included(project: Project, path: str, directory: str) -> list[tuple[str, str]]:
    """What the file includes (Compose's reference on ``include``): relative paths begin beside the included file, unless it is
    given a project_directory."""
    include = _value(_root(path, _text_of(project, path)), "include")
    found = []
    for item in include.value if isinstance(include, yaml.SequenceNode) else []:
        named = _value(item, "path") if isinstance(item, yaml.MappingNode) else item
        paths = named.value if isinstance(named, yaml.SequenceNode) else [named]
        given = _scalar(_value(item, "project_directory"))
        for one in paths:
            where = posixpath.normpath(posixpath.join(directory, _scalar(one) or ""))
            beside = posixpath.join(directory, given) if given else posixpath.dirname(where)
            if project.read(where) is not None:
                found.append((where, posixpath.normpath(beside)))
    return found


def _definitions(project: Project, service: str) -> t.Iterator[Definition]:
    """Everything that says something about *service*, what counts most first."""
    for path, directory in _files_of(project):
        node = _service_in(path, _text_of(project, path), service)
        if node is not None:
            yield from _with_extended(project, Definition(path, node, directory), MAX_EXTENDS)


def _with_extended(project: Project, definition: Definition, depth: int) -> t.Iterator[Definition]:
    yield definition
    path, node = definition.path, definition.node
    extends = _value(node, "extends")
    if extends is None or depth == 0:
        return
    named = extends.value if isinstance(extends, yaml.ScalarNode) else _scalar(_value(extends, "service"))
    other = None if isinstance(extends, yaml.ScalarNode) else _scalar(_value(extends, "file"))
    where = posixpath.join(posixpath.dirname(path), other) if other else path
    text = _text_of(project, where)
    base = _service_in(where, text, named or "") if text else None
    if base is not None:
        yield from _with_extended(project, Definition(where, base, definition.directory, False), depth - 1)


def _service_in(path: str, text: str, service: str) -> t.Any | None:
    return _value(_value(_root(path, text), "services"), service)


def _root(path: str, text: str) -> t.Any:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PooledError(f"{path} is no YAML that can be read{f' (line {mark.line + 1})' if mark else ''}") from None


# --- a place in a compose file ----------------------------------------------------------------------------------------


def _in_environment(project: Project, path: str, node: t.Any, service: str, variable: str) -> Place | None:
    found: Place | None = None
    if isinstance(node, yaml.MappingNode):
        value = _value(node, variable)
        if value is not None:
            found = _scalar_place(project, path, value, 0)
            # Nothing at all, not an empty text in quotes: whoever runs Compose gives it.
            if value.style is None and value.value in ("", "~", "null"):
                return _interpolated(project, found, "${" + variable + "}", service, variable)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            name, sign, _value_ = item.value.partition("=")
            if name == variable:
                found = _scalar_place(project, path, item, len(name) + len(sign))
                if not sign:
                    return _interpolated(project, found, "${" + variable + "}", service, variable)
    if found is None:
        return None
    return _interpolated(project, found, found.value, service, variable)


_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def _scalar_place(project: Project, path: str, node: t.Any, skip: int) -> Place:
    """The characters of a scalar, behind its first *skip*, without its anchor, tag and quotes."""
    properties = _PROPERTIES.match(_text_of(project, path), node.start_mark.index)
    start, end = properties.end() if properties else node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        line = node.start_mark.line + 1
        raise PooledError(
            f"{path}, line {line}, has the value in lines of its own ({node.style}); write it in one line, then repeat"
        )
    if node.style in ("'", '"'):
        start, end = start + 1, end - 1
    return Place(path, start + skip, end, node.value[skip:])


_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-?+])(.*))?\})\Z", re.DOTALL)


def _interpolated(project: Project, place: Place, value: str, service: str, variable: str) -> Place:
    """Where a value that may be ``${NAME:-default}`` really comes from."""
    if "$" not in value:
        return place
    reference = _REFERENCE.match(value)
    if reference is None or "$" in (reference.group(4) or ""):
        # Of several parts, so all of it.
        return place._replace(value=_text_of(project, place.path)[place.start : place.end])
    name = reference.group(1) or reference.group(2)
    for path, text in reversed(list(project.variable_files.items())):
        found = _in_variable_file(path, text, name)
        if found is not None:
            return found
    operator, default = reference.group(3) or "", reference.group(4) or ""
    if operator not in ("-", ":-"):
        raise PooledError(
            f"{variable} of the service {service} comes from {name} in the environment of whoever runs Compose;"
            f" {_by_hand(service, variable)}"
        )
    start = place.start + reference.start(4)
    return Place(place.path, start, start + len(default), default)


def _room_for(project: Project, service: str, variable: str, together: t.Collection[str]) -> Place:
    """Where a variable that no file gives can be added: beside its sibling, else in the service's own environment, of the file
    that counts most among those that have one."""
    beside = _beside_sibling(project, service, variable, together)
    if beside is not None:
        return beside
    own = [definition for definition in _definitions(project, service) if definition.own]
    path, node, _directory, _own = next((one for one in own if _own_value(one.node, "environment")), own[0])
    environment = _own_value(node, "environment")
    text = _text_of(project, path)
    ending = _ending(text)
    if environment is None:
        if _value(node, "environment") is not None:
            # An environment of its own would hide the one that is merged into the service.
            raise PooledError(
                f"the environment of the service {service} comes from an anchor; {_by_hand(service, variable)}"
            )
        first = _own_items(node, service, variable)[0][0]
        column = first.start_mark.column
        begin = _above_comments(text, _line_start(text, first.start_mark.index))
        before = f"{' ' * column}environment:{ending}{' ' * (column + 2)}{variable}: "
        return Place(path, begin, begin, "", before, ending)
    if environment.flow_style or not environment.value:
        raise PooledError(f"the environment of the service {service} is on one line; {_by_hand(service, variable)}")
    first = environment.value[0] if isinstance(environment, yaml.SequenceNode) else environment.value[0][0]
    begin = _above_comments(text, _line_start(text, first.start_mark.index))
    return Place(path, begin, begin, "", _opening(text, environment, first, variable), ending)


def _opening(text: str, environment: t.Any, entry: t.Any, variable: str) -> str:
    """What stands before the value in a line of this *environment*, written as the *entry* that is there."""
    begin = _line_start(text, entry.start_mark.index)
    if isinstance(environment, yaml.SequenceNode):
        return text[begin : entry.start_mark.index].rstrip("'\"") + f"{variable}="
    return f"{' ' * entry.start_mark.column}{variable}: "


def _beside_sibling(project: Project, service: str, variable: str, together: t.Collection[str]) -> Place | None:
    """The line below the one that gives the other half of the address; None where that is in no file that may be changed."""
    ending_of_name = next((end for end in _SIBLINGS if variable.endswith(end)), None)
    if ending_of_name is None:
        return None
    sibling = variable[: -len(ending_of_name)] + _SIBLINGS[ending_of_name]
    for definition in (one for one in _definitions(project, service) if one.own):
        environment = _own_value(definition.node, "environment")
        text = _text_of(project, definition.path)
        for item in environment.value if environment is not None and not environment.flow_style else []:
            entry = item[0] if isinstance(item, tuple) else item
            if entry.value.partition("=")[0] == sibling:
                last = item[1] if isinstance(item, tuple) else item
                opening = _opening(text, environment, entry, variable)
                return _below(definition.path, text, last.end_mark.index, opening)
    for definition in _definitions(project, service):
        for path in reversed(_env_files(definition)):
            place = _in_variable_file(path, project.read(path) or "", sibling)
            if place is not None and not _is_of_others(project, path, service, together):
                return _below(path, project.read(path) or "", place.end, f"{variable}=")
    return None


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


def _line_of(project: Project, place: Place) -> Place:
    """The whole line of a value, and the ``environment:`` above it where nothing else is in there."""
    text = _text_of(project, place.path)
    start, end = _line_start(text, place.start), text.find("\n", place.end) + 1 or len(text)
    above = _line_start(text, start - 1) if start else 0
    column = len(text[start:end]) - len(text[start:end].lstrip())
    below = text[end:]
    alone = len(below) - len(below.lstrip(" ")) < column
    if alone and text[above:start].strip() == "environment:":
        start = above
    return Place(place.path, start, end, text[start:end])


def _own_items(node: t.Any, service: str, variable: str) -> list[tuple[t.Any, t.Any]]:
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise PooledError(f"the service {service} is written on one line; {_by_hand(service, variable)}")
    return t.cast("list[tuple[t.Any, t.Any]]", node.value)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _text_of(project: Project, path: str) -> str:
    for known in (project.compose_files, project.variable_files):
        if path in known:
            return known[path]
    return project.read(path) or ""


# --- env_file and .env ------------------------------------------------------------------------------------------------


def _env_files(definition: Definition) -> list[str]:
    node = _value(definition.node, "env_file")
    items = node.value if isinstance(node, yaml.SequenceNode) else [] if node is None else [node]
    named = [_scalar(item) or _scalar(_value(item, "path")) for item in items]
    return [posixpath.normpath(posixpath.join(definition.directory, path)) for path in named if path]


# A value in quotes may go over several lines, which are none that give a variable a value.
_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[\w.-]+)[ \t]*[=:][ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\n]*?))(?=[ \t]*(?:[ \t]\#[^\n]*)?\r?$)""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)


def _in_variable_file(path: str, text: str, variable: str) -> Place | None:
    """The last line that gives *variable* a value."""
    found = None
    for match in _ASSIGNMENT.finditer(text):
        if match.group("name") == variable:
            group = next(name for name in ("single", "double", "bare") if match.group(name) is not None)
            found = Place(path, match.start(group), match.end(group), match.group(group))
    return found


def _by_hand(service: str, variable: str) -> str:
    return f"write it into the compose file yourself (services.{service}.environment.{variable}) and run docker compose up -d"


# --- YAML nodes -------------------------------------------------------------------------------------------------------


def _own_value(node: t.Any, key: str) -> t.Any | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key and name.tag != "tag:yaml.org,2002:merge":
                return value
    return None


def _value(node: t.Any, key: str) -> t.Any | None:
    """What a mapping has under *key*, itself or from what is merged into it (``<<``)."""
    own = _own_value(node, key)
    if own is not None or not isinstance(node, yaml.MappingNode):
        return own
    for name, value in node.value:
        if name.tag == "tag:yaml.org,2002:merge":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = _value(merged, key)
                if found is not None:
                    return found
    return None


def _scalar(node: t.Any) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
