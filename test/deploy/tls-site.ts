/** A site's certificate, made as the documents say, and what clients are shown of it. */

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { connect, type SecureVersion, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import type { ManagerOptions, SocketOptions } from "socket.io-client";
import type { CertificateFiles } from "../../src/http/certificate.ts";
import { programPath } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";

const script = programPath("../../deploy/tls/make-authority", import.meta.url);

/** Runs the script of `deploy/tls/`; resolves whatever it says. */
export async function makeAuthority(
  parameters: readonly string[],
  environment: Record<string, string> = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const options = { timeout: 20_000, env: { ...process.env, ...environment } };
  return await promisify(execFile)(script, parameters, options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  );
}

/** An authority in `folder`, and its certificate for `address`. To `renew` keeps the authority. */
export async function makeTlsSite(folder: string, address: string, renew = false): Promise<TlsSite> {
  const made = await makeAuthority([...(renew ? ["--renew"] : []), folder, address, "chat.example"]);
  if (made.code !== 0) throw new Error(made.stderr);
  const fileOf = (name: string) => join(folder, name);
  return {
    authority: readFileSync(fileOf("authority.pem"), "utf8"),
    certificateFile: fileOf("certificate.pem"),
    keyFile: fileOf("key.pem"),
    siteFile: fileOf("site.pem"),
  };
}

/** One that was valid for a day in 2020, and its key. */
export async function makeExpiredCertificate(folder: string): Promise<CertificateFiles> {
  const fileOf = (name: string) => join(folder, name);
  const [keyFile, certificateFile] = [fileOf("expired-key.pem"), fileOf("expired.pem")];
  const run = async (command: string) => {
    await promisify(execFile)("openssl", command.split(" "), { cwd: folder, timeout: 20_000 });
  };
  // `openssl ca` is the one that takes dates in every version, and it wants a database.
  const lines = ["[ca]", "default_ca=one", "[one]", "database=index", "new_certs_dir=.", "rand_serial=yes"];
  writeFileSync(fileOf("ca.conf"), [...lines, "policy=any", "[any]", "commonName=optional", ""].join("\n"));
  writeFileSync(fileOf("index"), "");
  const curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  await run(`req ${curve} -subj /CN=localhost -keyout ${keyFile} -out request.pem`);
  const dates = "-startdate 20200101000000Z -enddate 20200102000000Z";
  const sign = "ca -batch -selfsign -notext -md sha256 -config ca.conf";
  await run(`${sign} ${dates} -keyfile ${keyFile} -in request.pem -out ${certificateFile}`);
  return { keyFile, certificateFile };
}

/** What a handshake shows; rejects when there is none. */
export async function shakeHands(
  address: string,
  ca: string,
  version?: SecureVersion,
): Promise<{ readonly serial: string; readonly protocol: string | null }> {
  const range = version === undefined ? {} : { minVersion: version, maxVersion: version };
  return await new Promise((resolve, reject) => {
    // OpenSSL 3 offers what is before 1.2 at security level 0 only.
    const options = { host: address, port: 443, ca, ciphers: "DEFAULT:@SECLEVEL=0", ...range };
    const socket: TLSSocket = connect(options, () => {
      resolve({ serial: socket.getPeerCertificate().serialNumber, protocol: socket.getProtocol() });
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

/**
 * A crowd's clients use connections again, as browsers do; else each poll is a handshake, and the machine is
 * busy with those.
 */
export function clientOf(owner: Owner, { authority }: TlsSite): Partial<ManagerOptions & SocketOptions> {
  const agent = new Agent({ keepAlive: true, ca: authority });
  owner.onTestFinished(() => agent.destroy());
  // Its type has no agents; they are handed on to Node.
  return { agent: agent as unknown as boolean };
}

// --- types ---

export type TlsSite = CertificateFiles & {
  readonly authority: string;
  /** Both together. */
  readonly siteFile: string;
};
