/** What both configurations of this folder share: where the release is, and the settings that it has to be given. */

const { existsSync, readFileSync, realpathSync } = require("node:fs");
const { resolve } = require("node:path");
const { parseEnv } = require("node:util");

const release = resolve(__dirname, "../..");
const link = resolve(release, "../../current");

/** The link where there is one: pm2 keeps the path, and each start follows it to the release of the day. */
exports.release = existsSync(link) && realpathSync(link) === release ? link : release;

/** The file with settings of all instances, the same as for systemd. */
const settingsFile = process.env.SETTINGS_FILE ?? "/etc/holdfast/common.env";

/** Throws, before pm2 starts anything, with the name of what is missing. */
exports.settings = () => {
  if (!existsSync(settingsFile)) {
    throw new Error(`SETTINGS_FILE is ${settingsFile}, which does not exist. See deploy/pm2/README.md.`);
  }
  const settings = parseEnv(readFileSync(settingsFile, "utf8"));
  // With a Redis the chat keeps its names there by itself. Otherwise the defaults lie in the folder of the release, and
  // each release would begin with nothing.
  const isShared = settings.HOLDFAST_STORE?.startsWith("redis") === true;
  const needed = isShared ? ["HOLDFAST_STORE"] : ["HOLDFAST_STORE", "HOLDFAST_CHAT_DATABASE"];
  const missing = needed.filter((name) => !settings[name]);
  if (missing.length > 0) throw new Error(`${missing.join(" and ")} must be set in ${settingsFile}.`);
  return settings;
};

/** What pm2 is to do with a process of ours, whichever it is. */
exports.handling = (settings) => ({
  exec_mode: "fork",
  // Not "node": then pm2 would load code of its own into the process, in front of ours.
  interpreter: "/usr/bin/env",
  node_args: ["node"],
  // pm2 waits 1.6 s by itself, and then kills; a drain takes its lead, and up to its timeout.
  kill_timeout:
    Number(settings.HOLDFAST_DRAIN_LEAD_MS || 0) +
    Number(settings.HOLDFAST_SHUTDOWN_TIMEOUT_MS || 20_000) +
    7_000,
  // Only the first process is told: a primary says itself when its workers end.
  treekill: false,
  // A wrong setting stays wrong at the next start.
  stop_exit_codes: [2],
  exp_backoff_restart_delay: 100,
  merge_logs: true,
  // Readiness is asked at /readyz. With wait_ready pm2 would go on all the same when its time is over.
  wait_ready: false,
});
