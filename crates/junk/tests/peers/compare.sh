#!/usr/bin/env bash
# compare.sh CORPUS DIR: this filter, SpamAssassin and Rspamd on one corpus, prepared into DIR (prepare.py). Rspamd must run
# with its defaults, without network modules and with a Redis: RSPAMD_SCAN and RSPAMD_CONTROL name its two ports.
set -euo pipefail
corpus=$1 dir=$2 here=$(cd "$(dirname "$0")" && pwd)
scan=${RSPAMD_SCAN:-127.0.0.1:11333} control=${RSPAMD_CONTROL:-127.0.0.1:11334}
[ -d "$dir/mail" ] || python3 "$here/prepare.py" "$corpus" "$dir/mail"
PILLARBOX_JUNK_CORPUS=$dir/mail cargo test --release -q -p junk --test corpus -- --nocapture
for bayes in 0 1; do
  mkdir -p "$dir/sa$bayes"
  perl "$here/spamassassin.pl" $bayes "$dir/sa$bayes.txt" "$dir/sa$bayes" "$dir/mail"
done
client=(--ip 203.0.113.5 --hostname mail.sender.example --helo mail.sender.example --json --compact)
rspamd() { for class in ham spam; do rspamc -h "$scan" "${client[@]}" symbols "$dir/mail/test/$class" >"$dir/rspamd-$1-$class"; done; }
rspamd default
for class in ham spam; do rspamc -h "$control" "learn_$class" "$dir/mail/train/$class" >/dev/null; done
rspamd bayes
python3 - "$dir" <<'END'
import re, sys
def say(name, ham, spam, threshold):
    third = sorted(ham, reverse=True)[2]
    print(f"{name}: {sum(s >= threshold for s in ham)} false alarms in {len(ham)} ham, "
          f"{100 * sum(s >= threshold for s in spam) / len(spam):.1f} % of {len(spam)} spam caught; "
          f"with a threshold for at most 2 false alarms {100 * sum(s > third for s in spam) / len(spam):.1f} %")
for kind in ("default", "bayes"):
    lines = [line.split() for line in open(f"{sys.argv[1]}/sa{int(kind == 'bayes')}.txt")]
    of = lambda wanted: [float(score) for name, score in lines if name == wanted]
    say(f"SpamAssassin, {kind}", of("ham"), of("spam"), 5)
    read = lambda name: open(f"{sys.argv[1]}/rspamd-{kind}-{name}").read()
    of = lambda name: [float(s) for s in re.findall(r'\{"is_skipped":\w+,"score":([-\d.]+)', read(name))]
    say(f"Rspamd, {kind}", of("ham"), of("spam"), 6)
END
