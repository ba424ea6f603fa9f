// Files come in: dropped, pasted or chosen. Only files; nothing is fetched from an address.

/** Calls `take(files, how)` for each way in, and `refuse(sentence)` for what is no file. */
export function intake(input, dropZone, take, refuse) {
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    if (files.length > 0) take(files, "chosen");
  });
  listenForDrops(dropZone, take, refuse);
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length > 0) {
      event.preventDefault();
      take(files, "pasted");
    } else if (!isEditable(event.target)) {
      refuse("The clipboard holds no picture and no file. Copy the picture itself, or save it and drop the file.");
    }
  });
}

function listenForDrops(dropZone, take, refuse) {
  // Of the whole window: a picture that misses the box must not replace the page.
  const mark = (on) => dropZone.classList.toggle("over", on);
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) mark(false);
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    const folders = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()?.isDirectory === true);
    const files = [...event.dataTransfer.files].filter((_, index) => !folders[index]);
    if (files.length > 0) take(files, "dropped");
    if (folders.includes(true)) {
      refuse("A folder cannot be dropped here. Open it and drop the files; for whole folders there is the command \"dear scan\".");
    } else if (files.length === 0) {
      refuse("That was no file. This page opens no addresses: save the picture first, then drop the file.");
    }
  });
}

function isEditable(target) {
  return target instanceof Element && target.closest("input, textarea") !== null;
}
