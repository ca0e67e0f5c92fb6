/** One primary with its workers, on one port. New code: switch the link, then `pm2 sendSignal SIGHUP holdfast`. */

const { join, resolve } = require("node:path");
const { handling, release, settings } = require("./settings.cjs");

const shared = settings();
const { kill_timeout, ...others } = handling(shared);

module.exports = {
  apps: [
    {
      ...others,
      name: "holdfast",
      // With the link in it: the workers of a roll are started from where the link leads then.
      script: join(release, "src/main.ts"),
      // Not the release, which may be gone one day while the primary lives on.
      cwd: resolve(release, ".."),
      // The primary waits for its workers a little longer than they wait for their clients.
      kill_timeout: kill_timeout + 5_000,
      env: { HOLDFAST_WORKERS: "max", HOLDFAST_INTERNAL_PORT: "9000", PORT: "8000", ...shared },
    },
  ],
};
