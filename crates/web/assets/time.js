// Moments in the time zone of whoever reads. Without this pages say them in UTC.
(() => {
  "use strict";
  const language = document.documentElement.lang;
  const written = (options) => {
    const format = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, options);
    return (at) => format.format(at);
  };
  const day = written({ day: "numeric", month: "long", year: "numeric" });
  const shortDay = written({ day: "numeric", month: "short", year: "numeric" });
  const time = written({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const comma = language === "ja" ? " " : ", ";
  const full = (at) => `${day(at)}${comma}${time(at)}`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "?";
  const at = (element) => {
    const moment = new Date(element.dateTime);
    return Number.isNaN(moment.getTime()) ? null : moment;
  };

  const show = {
    full: (element, moment) => { element.textContent = full(moment); },
    day: (element, moment) => { element.textContent = day(moment); },
    "short-day": (element, moment) => { element.textContent = shortDay(moment); },
    line: (element, moment) => {
      element.replaceChildren(shortDay(moment), document.createElement("br"), time(moment));
    },
    time: (element, moment) => { element.textContent = time(moment); },
    ago: (element, moment) => { element.title = full(moment); },
  };
  for (const element of document.querySelectorAll("time[data-as]")) {
    const moment = at(element);
    if (moment && show[element.dataset.as]) show[element.dataset.as](element, moment);
  }

  // A first and a last moment of different days.
  for (const element of document.querySelectorAll(".span")) {
    const [first, last] = [...element.querySelectorAll("time")].map(at);
    if (first && last && day(first) !== day(last)) {
      element.firstElementChild.textContent = `${shortDay(first)}${comma}${time(first)}`;
    }
  }

  // Lines stand below their day, newest first.
  const sections = [...document.querySelectorAll("section.day")];
  let current = null;
  for (const section of sections) {
    const list = section.querySelector(".lines");
    for (const line of [...list.children]) {
      const moment = at(line.querySelector("time:last-of-type"));
      const name = moment ? day(moment) : section.querySelector("h2").textContent;
      if (!current || current.querySelector("h2").textContent !== name) {
        const next = section.cloneNode(false);
        const [heading, lines] = [document.createElement("h2"), list.cloneNode(false)];
        heading.textContent = name;
        next.append(heading, lines);
        section.before(next);
        current = next;
      }
      current.querySelector(".lines").append(line);
    }
    section.remove();
  }

  // What is typed is in the zone of whoever types, and goes to the server in UTC: a date is its first or its last moment.
  const civil = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?$/;
  const ends = { first: "00:00:00", last: "23:59:59" };
  const inUtc = (text, end) => {
    const [, date, clock] = civil.exec(text.trim()) || [];
    const moment = new Date(`${date}T${clock || ends[end]}`);
    return date && !Number.isNaN(moment.getTime()) ? moment.toISOString().replace(".000", "") : text;
  };
  const two = (number) => String(number).padStart(2, "0");
  const here = (text, end) => {
    const moment = new Date(/^\d{4}-\d\d-\d\dT[\d:]+Z$/.test(text) ? text : NaN);
    if (Number.isNaN(moment.getTime())) return text;
    const date = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
    const clock = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(":");
    return clock === ends[end] ? date : `${date}T${clock.replace(/:00$/, "")}`;
  };
  for (const input of document.querySelectorAll("input[data-moment]")) {
    const end = input.dataset.moment;
    input.value = here(input.value, end);
    input.form.addEventListener("formdata", (event) => event.formData.set(input.name, inUtc(input.value, end)));
  }

  for (const element of document.querySelectorAll("[data-zone]")) {
    element.textContent = element.dataset.zone.replace("{zone}", zone.replaceAll("_", " "));
  }
})();
