/** A certificate for loopback that nobody trusts who is not given it. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemProgram } from "../../scripts/system-packages.mjs";
import type { Owner } from "./owner.ts";

/**
 * Makes one that signs itself, for 127.0.0.1, localhost and another address if one is given. Its files are
 * gone with its owner.
 */
export async function makeCertificate(owner: Owner, address = "127.0.0.1"): Promise<Certificate> {
  const program = systemProgram("openssl");
  if (program === undefined) throw new Error("Certificates are made by openssl, which is not here");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-certificate-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [keyFile, certificateFile] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const names = `subjectAltName=IP:127.0.0.1,IP:${address},DNS:localhost`;
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const request = `req -x509 ${key} -days 2 -subj /CN=localhost`;
  const output = ["-addext", names, "-keyout", keyFile, "-out", certificateFile];
  await promisify(execFile)(program, [...request.split(" "), ...output], { timeout: 20_000 });
  return { keyFile, certificateFile, authorityFile: certificateFile };
}

// --- types ---

export type Certificate = {
  readonly keyFile: string;
  readonly certificateFile: string;
  /** Whom to trust, to trust the certificate. */
  readonly authorityFile: string;
};
