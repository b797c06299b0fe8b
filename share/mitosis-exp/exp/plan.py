# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""What is to run where: the experiments that the command line names, on hosts, with values."""

import os
import uuid

import files
import launchers
import words
from problem import USAGE, Problem

SHOWN = 8           # hosts that are named in a message


class Plan:
    def __init__(self, args, context):
        self.args = args
        self.context = context
        self.token = uuid.uuid4().hex       # by which all that belongs to the run is known
        self.chosen = dict(words.assignment(text) for text in args.set)
        launcher = launchers.chosen(args)
        if args.lab and launcher is not launchers.Lab:
            raise Problem(f"--lab: not with --launcher {args.launcher}", USAGE)
        if args.lab_option and not args.lab:
            raise Problem("--lab-option: only with --lab", USAGE)
        self.launcher = launcher(args, self.token, context.tools)
        self.local = launchers.Local(args, self.token, context.tools)
        self.experiments = self.load()
        self.place()
        self.check()

    # experiments

    def load(self):
        if not self.args.experiments:
            raise Problem("which experiment? mitosis-exp list shows them", USAGE)
        given = []
        for word in self.args.experiments:
            given += files.all_names(self.context.experiments, bool(self.args.lab)) \
                if word == "all" else [word]
        found = [self.find(word) for word in dict.fromkeys(given)]
        names = [each.name for each in found]
        for name in names:
            if names.count(name) > 1:
                raise Problem(f"{name}: two experiments of this name", USAGE)
        unknown = [name for name in self.chosen
                   if not any(name in each.settable for each in found)]
        if unknown:
            raise Problem(f"--set: {unknown[0]}: no such placeholder in {', '.join(names)}", USAGE)
        return found

    def find(self, word):
        """The experiment; of a run that is resumed, as it was when the run began."""
        stored = os.path.join(self.args.resume or "", files.name_of(word), "experiment.toml")
        if self.args.resume and os.path.exists(stored):
            return files.load(stored, files.name_of(word))
        return files.find(word, self.context.experiments)

    # hosts

    def place(self):
        """Say of each pass on which hosts it runs."""
        table = words.hosts_by_role(self.args.hosts) if self.args.hosts else {}
        # A file that names its hosts itself needs none from us.
        needed = not table and any(
            not (each.fixed or each.local or experiment.all_hosts and not each.role)
            for experiment in self.experiments for each in experiment.passes)
        available = self.launcher.hosts() if needed else table.get(None, [])
        excluded = [host for text in self.args.exclude for host in words.hosts(text, "--exclude")]
        several = len(self.experiments) > 1
        everywhere = list(dict.fromkeys(host for hosts in table.values() for host in hosts)) \
            or available
        there = {"localhost", *everywhere, *(host for each in self.experiments
                                             for host in each.own_hosts)}
        for host in excluded:
            if host not in there:
                raise Problem(f"--exclude: {host}: no host of this run (there are: "
                              f"{some_of(sorted(there))})", USAGE)
        self.check_roles(table)
        for each in self.experiments:
            roles = {role: hosts for role, hosts in table.items()
                     if not several or role in (None, files.ALL_HOSTS, *each.roles)}
            if not each.roles and each.on_all_hosts:
                roles = {None: everywhere}
            each.place(roles, available, excluded, self.launcher.local_only)
        if not (self.args.launcher or self.args.lab):
            self.check_here()

    def check_roles(self, table):
        """Of several files not each has to have all roles that are given; but one of them has to."""
        roles = [role for role in table if role not in (None, files.ALL_HOSTS)]
        known = {role for each in self.experiments for role in each.roles}
        # What is for all hosts is for those of every role.
        anywhere = any(each.on_all_hosts for each in self.experiments)
        for role in roles:
            # Of a single file the error names its roles.
            if role not in known and not anywhere and len(self.experiments) > 1:
                raise Problem(f"--hosts: {role}: no such role in {self.names()} (there are: "
                              f"{', '.join(sorted(known)) or 'none'})", USAGE)
            lacking = [each.name for each in self.experiments
                       if role not in each.roles and not each.on_all_hosts]
            if role in known and lacking:
                self.context.say(f"--hosts: {role}: not for {', '.join(lacking)}, which "
                                 f"{'have' if len(lacking) > 1 else 'has'} no such role")

    def names(self):
        return ", ".join(each.name for each in self.experiments)

    def check_here(self):
        """Nobody has said how hosts are reached, so all runs here: an error if it names others."""
        for each in self.experiments:
            others = [host for host in each.hosts if not launchers.is_here(host)]
            if others:
                where = each.path if set(others) & set(each.named_hosts) else "--hosts"
                raise Problem(f"{where}: {some_of(others)}: how are they reached? Say --launcher "
                              "ssh, pdsh, slurm or lab, or --launcher local to run all of it on "
                              "this host", USAGE)

    @property
    def hosts(self):
        """All of them, each once."""
        return list(dict.fromkeys(host for each in self.experiments for host in each.hosts))

    def launcher_of(self, host):
        return self.local if host == "localhost" else self.launcher

    # values

    def values(self, experiment):
        """What is not in the file: the command line's, and before that --quick's."""
        values = {}
        if self.args.quick:
            values.update(experiment.quick)
            for name in values:
                if name not in experiment.placeholders:
                    raise Problem(f"{experiment.path}: quick: {name}: no such placeholder")
        values.update({name: value for name, value in self.chosen.items()
                       if name in experiment.settable})
        return values

    def points(self, experiment):
        return experiment.points(self.values(experiment), self.args.limit)

    def memory(self):
        """What one host needs at most, in bytes; 0 if no experiment says."""
        return files.most_memory(point for each in self.experiments for point in self.points(each))

    def extra(self, experiment, passes):
        """The stages of a set-up or a clean-up."""
        return experiment.extra(passes, self.values(experiment))

    def check(self):
        """What cannot be filled in is an error before anything starts."""
        for each in self.experiments:
            self.points(each)
            for passes in each.setup, each.cleanup:
                self.extra(each, passes)


def some_of(hosts):
    more = f" and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    return ", ".join(hosts[:SHOWN]) + more
