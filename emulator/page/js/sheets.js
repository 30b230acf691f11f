/** Sheets over the page: posters to scan, a place or a link to send, a picture enlarged, a question to confirm. */

import { button, fill, h, picture } from "./dom.js";
import { t } from "./language.js";

/** Opens a sheet with `title`; `build(close)` gives its nodes. Escape and a click beside it close it too. */
export function openSheet(title, build, className = "") {
  const dialog = h("dialog", { class: `sheet ${className}`, "aria-label": title, testid: "sheet" });
  const close = () => dialog.close();
  const shut = button({ icon: "close", label: t("close"), press: close, class: "round", testid: "sheet-close" });
  dialog.append(
    h("header", { class: "sheet-head" }, h("h3", { text: title }), shut),
    h("div", { class: "sheet-body" }, ...build(close)),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** The posters on the wall; `onPick(poster)` scans one. */
export function openPosters(posters, onPick) {
  openSheet(
    t("scan.title"),
    (close) => {
      if (!posters.length) return [h("p", { class: "blank", text: t("scan.none") })];
      const wall = h("div", { class: "posters" });
      const pick = (poster) => {
        close();
        onPick(poster);
      };
      const show = (wanted) =>
        fill(
          wall,
          matching(posters, wanted).map((poster) => posterCard(poster, pick)),
          nothing(posters, wanted),
        );
      show("");
      return [h("p", { class: "hint", text: t("scan.hint") }), posters.length > 6 ? finder(show) : null, wall].filter(
        Boolean,
      );
    },
    "sheet-wide",
  );
}

function matching(posters, wanted) {
  const needle = wanted.trim().toLowerCase();
  return posters.filter((poster) => `${poster.label ?? ""} ${poster.scene}`.toLowerCase().includes(needle));
}

function nothing(posters, wanted) {
  return matching(posters, wanted).length ? null : h("p", { class: "blank", text: t("scan.nothing") });
}

function finder(show) {
  const text = t("scan.find");
  const on = { input: (event) => show(event.target.value) };
  return h("input", {
    class: "field",
    type: "search",
    placeholder: text,
    "aria-label": text,
    testid: "poster-find",
    on,
  });
}

function posterCard(poster, pick) {
  const label = poster.label || poster.scene;
  const code = `/wechat/cgi-bin/showqrcode?ticket=${encodeURIComponent(poster.ticket)}`;
  return h(
    "button",
    {
      type: "button",
      class: "poster",
      testid: "poster",
      data: { scene: poster.scene },
      on: { click: () => pick(poster) },
    },
    picture(code, t("poster.code", { label }), "poster-code"),
    h("span", { class: "poster-label", text: label }),
  );
}

const PLACES = [
  { label: "上海 静安嘉里中心", lat: 31.2236, lng: 121.4453 },
  { label: "杭州 湖滨银泰", lat: 30.2549, lng: 120.1644 },
  { label: "北京 三里屯太古里", lat: 39.9368, lng: 116.4551 },
];

/** Asks for a place; `onPick({label, lat, lng})`. */
export function openLocation(onPick) {
  openSheet(t("location.title"), (close) => {
    const done = (place) => {
      close();
      onPick(place);
    };
    const listed = PLACES.map((place) =>
      button({ icon: "location", text: place.label, press: () => done(place), class: "choice", testid: "place" }),
    );
    const own = form(
      [
        { name: "label", text: t("location.label"), value: t("location.own") },
        { name: "lat", text: t("location.lat"), value: "31.2304", type: "number", step: "any", min: "-90", max: "90" },
        {
          name: "lng",
          text: t("location.lng"),
          value: "121.4737",
          type: "number",
          step: "any",
          min: "-180",
          max: "180",
        },
      ],
      ({ label, lat, lng }) => done({ label, lat: Number(lat), lng: Number(lng) }),
    );
    return [h("p", { class: "hint", text: t("location.hint") }), h("div", { class: "choices" }, ...listed), own];
  });
}

/** Asks for a link; `onPick({title, description, url})`. */
export function openLink(onPick) {
  openSheet(t("link.title"), (close) => [
    form(
      [
        { name: "title", text: t("link.name"), value: "明前龙井 2026" },
        { name: "description", text: t("link.description"), value: "狮峰山头采，到店可试饮" },
        { name: "url", text: t("link.url"), value: "https://example.com/longjing", type: "url" },
      ],
      (link) => {
        close();
        onPick(link);
      },
    ),
  ]);
}

function form(fields, onDone) {
  const rows = fields.map(({ text, ...field }) =>
    h(
      "label",
      { class: "form-row" },
      h("span", { text }),
      h("input", { class: "field", required: true, testid: `form-${field.name}`, ...field }),
    ),
  );
  const done = h("button", { type: "submit", class: "primary", testid: "form-send", text: t("send") });
  const submit = (event) => {
    event.preventDefault();
    onDone(Object.fromEntries(new FormData(event.target)));
  };
  return h("form", { class: "form", on: { submit } }, ...rows, done);
}

/** Lets one choose among `choices` of `{name, press}`. */
export function openChoice(title, choices) {
  openSheet(title, (close) => [
    h(
      "div",
      { class: "choices" },
      ...choices.map(({ name, press }) =>
        button({
          text: name,
          class: "choice",
          testid: "choice",
          press: () => {
            close();
            press();
          },
        }),
      ),
    ),
  ]);
}

/** Asks before something is lost; `onYes` runs only when confirmed. */
export function openConfirm(question, onYes) {
  openSheet(question, (close) => [
    h(
      "div",
      { class: "sheet-buttons" },
      button({ text: t("cancel"), class: "quiet", press: close }),
      button({
        text: t("ok"),
        class: "primary danger",
        testid: "confirm",
        press: () => {
          close();
          onYes();
        },
      }),
    ),
  ]);
}

/** Shows a picture large. */
export function openPicture(src) {
  openSheet(t("message.image"), () => [picture(src, t("message.image"), "large-picture")], "sheet-wide");
}

/** Lets the visitor choose a picture of their own; `onFile(file)`. */
export function choosePicture(onFile) {
  const chooser = h("input", { type: "file", accept: "image/png,image/jpeg,image/gif" });
  chooser.addEventListener("change", () => chooser.files[0] && onFile(chooser.files[0]));
  chooser.click();
}
