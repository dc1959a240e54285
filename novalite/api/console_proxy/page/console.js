// Shows the screen that the token in this page's URL opens. The websocket goes to where the page came from,
// whatever the URL says: only the token is taken from it.
const status = document.getElementById("status");
const keys = document.getElementById("keys");

function token() {
  const asked = new URLSearchParams(location.search);
  const path = asked.get("path") || "";
  return asked.get("token") || new URLSearchParams(path.slice(path.indexOf("?") + 1)).get("token") || "";
}

function address(word) {
  const folder = location.pathname.slice(0, location.pathname.lastIndexOf("/") + 1);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}${folder}?token=${encodeURIComponent(word)}`;
}

function show(RFB, word) {
  let connected = false;
  const rfb = new RFB(document.getElementById("screen"), address(word), { shared: true, wsProtocols: ["binary"] });
  rfb.scaleViewport = true;
  rfb.addEventListener("connect", () => {
    connected = true;
    keys.disabled = false;
    status.textContent = "Connected";
    rfb.focus();
  });
  rfb.addEventListener("desktopname", (event) => { document.title = event.detail.name; });
  rfb.addEventListener("disconnect", () => {
    keys.disabled = true;
    status.textContent = connected
      ? "The console was closed. Reload the page to open it again, or ask for a new URL."
      : "The console cannot be opened: its URL is used up, has expired, or the server was stopped or moved. "
        + "Ask for a new one.";
  });
  keys.addEventListener("click", () => { rfb.sendCtrlAltDel(); rfb.focus(); });
}

const word = token();
if (!word) {
  status.textContent = "The URL names no console: ask for one, and open it as it is.";
} else {
  import("./novnc/core/rfb.js").then(
    (module) => { status.textContent = "Connecting …"; show(module.default, word); },
    () => { status.textContent = "noVNC is not installed where this page comes from; its operator can mend that."; },
  );
}
