#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What the completions offer that no list in them holds: experiments and what --set sets in them,
# functions, templates, columns, labels, kernels; and that they load as a shell loads them. Several are
# written for bash-completion's functions, and not tested without it.
# shellcheck disable=SC2317 # await and the clean-up call functions
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
top=$tests_dir/..
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$top/share/mitosis-exp}
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$top/share/mitosis-exp/lab}
export MITOSIS_LEAN_DIR=$work_dir/lean
export PATH=$bin_dir:$PATH
loader=/usr/share/bash-completion/bash_completion
[ -r "$loader" ] || loader=

# offer COMMAND WORD...: what is offered for the last word, sorted, in the file offered. The words are
# split as readline does: "=" and ":" are words of their own.
offer() {
	bash --norc -c '
		loader=$1 completion=$2
		shift 2
		# Only within a real completion is there such a thing.
		compopt() { :; }
		if [ -n "$loader" ]; then
			. "$loader"
		fi
		. "$completion" || exit
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9 COMP_KEY=9
		COMP_LINE=${COMP_LINE// = /=}
		COMP_LINE=${COMP_LINE// : /:}
		COMP_POINT=${#COMP_LINE}
		called=$(complete -p "$1") && called=${called#*-F } && called=${called%% *}
		"$called" "$1" "${!#}" "${@:$#-1:1}"
		[ ${#COMPREPLY[@]} = 0 ] || printf "%s\n" "${COMPREPLY[@]}"
	' completion "$loader" "$top/completions/$1" "$@" >offered.unsorted 2>offer.err ||
		fail "$*: $(cat offer.err)"
	[ ! -s offer.err ] || fail "$*: $(cat offer.err)"
	sort offered.unsorted >offered
}

# offers TEXT: just these words
offers() {
	[ "$(tr '\n' ' ' <offered)" = "${1:+$1 }" ] || fail "'$(tr '\n' ' ' <offered)' is offered, not '$1'"
}
# has WORD...: these among others
has() {
	local word
	for word; do
		grep -qxF -- "$word" offered || fail "'$word' is not offered: $(tr '\n' ' ' <offered)"
	done
}

# The names of experiments and functions from their files, not from the commands that are asked.
names_in() {
	local file
	for file in "$MITOSIS_EXP_DIR/$1"/*."$2"; do
		file=${file##*/}
		echo "${file%."$2"}"
	done
}

doing=mitosis-exp
offer mitosis-exp ''
has run list import report
mapfile -t experiments < <(names_in experiments toml)
[ "${#experiments[@]}" -gt 10 ] || broken "there are ${#experiments[@]} experiments"
offer mitosis-exp list ''
has "${experiments[@]}"
cat >mine.toml <<'END'
[experiment]
title = "Mine"

[[template.pass]]
cmd = "echo ${depth} ${width}"

[template.placeholder]
depth = 1
width = [1, 2]
END
offer mitosis-exp run ''
has "${experiments[@]}" all mine.toml
offer mitosis-exp run mi
offers "mine.toml"
offer mitosis-exp run prep
offers "prepare prepare-functions"
offer mitosis-exp run prepare lean-p
offers "lean-pause"
doing="mitosis-exp --set"
offer mitosis-exp run mine.toml --set ''
offers "depth= width="
offer mitosis-exp run mine.toml -s w
offers "width="
offer mitosis-exp run resume --set ''
has count= engine= wss=
offer mitosis-exp run --set count = 3 resume --set w
offers wss=
offer mitosis-exp run resume rc-connection --set ''
has count= wss= threads= duration=
# The launchers, as the message for another one names them.
expect 2 mitosis-exp run prepare --launcher nowhere
offer mitosis-exp run --launcher ''
offers "$(sed -n "s/.*choose from \(.*\)).*/\1/p" err | tr -d "',"  | tr ' ' '\n' | sort | paste -s -d ' ')"

doing=mitosis-function
mapfile -t functions < <(names_in functions py)
[ "${#functions[@]}" -gt 5 ] || broken "there are ${#functions[@]} functions"
: >own.py
offer mitosis-function ''
has "${functions[@]}" own.py
offer mitosis-function linp
offers linpack
offer mitosis-function --phase cold,for
offers cold,fork

doing=mitosis-stats
printf '# mitosis-exp 1 tool=x\nwss\tengine\tprepare_ns\tpages\n1\tuser\t2\t3\n' >records.tsv
offer mitosis-stats records.tsv --columns ''
offers "engine pages prepare_ns wss"
offer mitosis-stats records.tsv --by wss,e
offers wss,engine
offer mitosis-stats --columns = pre records.tsv
offer mitosis-stats rec
offers records.tsv

doing=mitosis-plot
offer mitosis-plot --published ''
has list
[ "$(grep -c -v -x list offered)" = "$(mitosis-plot --published list | grep -c .)" ] ||
	fail "published figures: $(cat offered)"
offer mitosis-plot --published exec
has execution

doing=mitosis-lab
mitosis-lab kernels 2>/dev/null | sed -n '3,$s/\t.*//p' | sort >bootable
offer mitosis-lab up --kernel ''
diff bootable offered >&2 || fail "kernels"
offer mitosis-lab ''
has run up exec shell status down

[ -n "$loader" ] || skip "the rest needs bash-completion"

doing="engines after a comma"
offer mitosis-prepare --engine user,lo
offers user,local
offer mitosis-prepare --engine = user,lo
offers user,local

doing=mitosis-parent
offer mitosis-parent --on U
offers "USR1 USR2"
printf '#!/bin/sh\n' >unlikely-program
chmod 755 unlikely-program
PATH=$work_dir:$PATH offer mitosis-parent --on USR1 -- unlikely-pro
offers unlikely-program

doing=mitosis-ls
"$parent_tool" --label completed --count 600 --interval 100ms >parent.out 2>parent.err &
pids+=($!)
has_reference() { grep -Eq "$reference" parent.out; }
await 60000 has_reference
offer mitosis-ls com
offers completed
offer mitosis-ls ''
has - completed "${pids[0]}"
! grep -q '^mitosis.*:' offered || fail "references are offered"

doing=mitosis-leanrun
offer mitosis-leanprep ''
offers "clean create inspect list mount-dev pause rm unpause"
offer mitosis-leanprep create t --rootfs cl
offers closure:
offer mitosis-leanrun ''
offers ""
doing=templates
if [ "$(id -u)" = 0 ]; then
	need_namespaces -pmui
else
	need_namespaces -Urm
fi
remove_templates() { mitosis-leanprep clean --all --quiet; }
cleanups+=(remove_templates)
expect 0 mitosis-leanprep create first --rootfs closure:/bin/sh
expect 0 mitosis-leanprep create second --rootfs closure:/bin/sh
for tool in "mitosis-leanrun" "mitosis-leanprep inspect" "mitosis-function --container"; do
	# shellcheck disable=SC2086 # words
	offer $tool ''
	offers "first second"
	# shellcheck disable=SC2086
	offer $tool se
	offers second
done
exit 0
