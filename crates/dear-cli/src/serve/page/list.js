// The list of images: a picture, a name and a line of words each.

import { isSettled, shortly } from "./answer.js";
import { el } from "./dom.js";

/** Pixels of the little pictures' sides. */
const SIDE = 96;

/** The list's item of an entry. `update(models)` draws it anew, `mark(selected)` says whether it is shown beside. */
export function listItem(entry, select) {
  const words = el("span", { class: "words" });
  const canvas = el("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
  const press = el("button", { type: "button", class: "item", onclick: () => select(entry) },
    canvas, el("span", { class: "text" }, el("span", { class: "name" }, entry.name), words));
  const element = el("li", {}, press);
  let drawn = false;

  function update(models) {
    const answers = models.map((model) => [model, entry.answers.get(model.sha256)]);
    words.replaceChildren(...answers.map(([model, answer]) => {
      const [kind, text] = shortly(answer, entry);
      return el("span", { class: `line ${kind}` }, models.length > 1 ? `${model.name}: ${text}` : text);
    }));
    if (!drawn && answers.some(([, answer]) => isSettled(answer) && answer.record?.status.startsWith("scored"))) {
      drawn = true;
      thumbnail(entry.file, canvas);
    }
  }

  const mark = (selected) => {
    if (selected) press.setAttribute("aria-current", "true");
    else press.removeAttribute("aria-current");
  };
  return { element, update, mark, focus: () => press.focus() };
}

/** The file as the browser shows it, for finding one's way; only files that the server read as images come here. */
async function thumbnail(file, canvas) {
  try {
    const image = await createImageBitmap(file, { resizeHeight: SIDE, resizeQuality: "medium" });
    const scale = Math.min(SIDE / image.width, SIDE / image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    canvas.getContext("2d").drawImage(image, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    image.close();
  } catch {
    canvas.classList.add("none"); // a format that browsers do not show, such as TIFF
  }
}
