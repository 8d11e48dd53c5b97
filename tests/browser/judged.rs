//! What a page weighs, how soon it is there, whether the keyboard goes everywhere, and what axe-core says of it.

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::sync::LazyLock;
use std::{env, fs};

use serde_json::{Value, json};

use super::Browser;

/// Where axe-core is, if it is on this machine (`.ci/run` brings it).
static AXE: LazyLock<Option<String>> = LazyLock::new(|| {
    let Some(file) = env::var_os("PILLARBOX_AXE").filter(|file| !file.is_empty()) else {
        not_tested::without("axe-core", "PILLARBOX_AXE names no axe.min.js");
        return None;
    };
    Some(fs::read_to_string(file).unwrap())
});

pub fn has_axe() -> bool {
    AXE.is_some()
}

/// What the keyboard can act on. Of radio buttons with one name it reaches one.
const ACTIVE: &str = "[...document.querySelectorAll('a[href], button, input:not([type=hidden], [aria-hidden=true]), select, textarea, summary')]\
    .filter(e => e.checkVisibility({ visibilityProperty: true }) && !e.disabled)";

impl Browser {
    /// What axe-core finds wrong; nothing where there is none.
    pub fn axe(&self) -> Vec<String> {
        let Some(axe) = &*AXE else { return Vec::new() };
        self.run(axe);
        let ask = "const done = arguments[arguments.length - 1];\
            axe.run(document, { resultTypes: ['violations'] }).then(\
                found => done(found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html}: ${n.failureSummary}`))),\
                error => done([String(error)]))";
        strings(&self.post("/execute/async", json!({ "script": ask, "args": [] })))
    }

    /// What can be used on the page, also in what is folded, and is not reached with Tab, or shows nothing when it is.
    pub fn out_of_reach(&self) -> Vec<String> {
        self.run(
            "document.addEventListener('focusin', ({ target }) => {\
                 const style = getComputedStyle(target);\
                 const mark = style.outlineStyle !== 'none' || style.boxShadow !== 'none';\
                 target.dataset.reached = mark ? 'seen' : 'unseen';\
             });\
             document.activeElement.blur();\
             for (const e of document.querySelectorAll('details:not([open])')) { e.open = true; e.dataset.opened = 'yes'; }",
        );
        let count = self.evaluate(&format!("{ACTIVE}.length")).as_u64().unwrap();
        let key = |kind: &str| json!({ "type": kind, "value": "\u{e004}" });
        // Whatever can be scrolled is reached, too.
        let presses: Vec<Value> = (0..2 * count + 10).flat_map(|_| [key("keyDown"), key("keyUp")]).collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": presses }] }));
        let missed = format!(
            "(() => {{ const all = {ACTIVE}; \
             const groups = new Set(all.filter(e => e.type === 'radio' && e.dataset.reached === 'seen').map(e => e.name)); \
             return all.filter(e => e.dataset.reached !== 'seen' && !(e.type === 'radio' && groups.has(e.name)))\
             .map(e => `${{e.dataset.reached ?? 'not reached'}}: ${{e.outerHTML}}`); }})()"
        );
        let missed = strings(&self.evaluate(&missed));
        self.run("for (const e of document.querySelectorAll('details[data-opened]')) e.open = false;");
        missed
    }

    /// Octets of the page with all that it needs, as they came or would come without a cache.
    pub fn weight(&self) -> u64 {
        let all = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]\
                   .reduce((sum, e) => sum + e.encodedBodySize, 0)";
        self.evaluate(all).as_u64().unwrap()
    }

    /// Pages may ask other hosts and run what they like from now on.
    pub fn allow_everything(&self) {
        self.devtools("Page.setBypassCSP", json!({ "enabled": true }));
    }

    /// What the page had from elsewhere.
    pub fn asked_elsewhere(&self) -> Vec<String> {
        let all = "performance.getEntriesByType('resource').map(e => e.name).filter(e => !e.startsWith(location.origin + '/'))";
        strings(&self.evaluate(all))
    }

    /// What the page would have from elsewhere, or send there, when somebody comes that far. A link is followed only by who clicks on it.
    pub fn names_elsewhere(&self) -> Vec<String> {
        let all = "[...document.querySelectorAll('[src], [srcset], [poster], [data], [background], link[href], form[action], \
                   [formaction], [ping], base, meta[http-equiv=refresh]')].filter(e => \
                   [e.src, e.srcset, e.poster, e.data, e.href, e.getAttribute('action'), e.getAttribute('formaction'), e.ping, e.content]\
                   .some(url => typeof url === 'string' && url && !url.startsWith('data:') && \
                   (!URL.canParse(url, location.href) || new URL(url, location.href).origin !== location.origin)))\
                   .map(e => e.outerHTML)";
        strings(&self.evaluate(all))
    }

    /// Milliseconds from the click to the first paint. `None`: it is not painted yet.
    pub fn first_paint(&self) -> Option<f64> {
        self.evaluate("performance.getEntriesByType('paint').find(e => e.name === 'first-paint')?.startTime ?? null")
            .as_f64()
    }

    /// Runs a script in the page, as a person at the developer tools does.
    fn run(&self, script: &str) {
        self.post("/execute/sync", json!({ "script": script, "args": [] }));
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}
