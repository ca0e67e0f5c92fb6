/** A certificate authority of a test's own, that signs for any names and any days. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemProgram } from "../../../scripts/system-packages.mjs";
import type { Owner } from "../../harness/owner.ts";

export class Authority {
  readonly #folder: string;
  #issued = 0;
  /** `openssl ca` keeps its numbers in a file, and takes no two at a time. */
  #signing: Promise<unknown> = Promise.resolve();

  static async make(owner: Owner): Promise<Authority> {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-authority-"));
    owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    mkdirSync(join(folder, "issued"));
    writeFileSync(join(folder, "index.txt"), "");
    writeFileSync(join(folder, "serial"), "01\n");
    writeFileSync(join(folder, "ca.conf"), configuration);
    const authority = new Authority(folder);
    await authority.#openssl(`req -x509 ${newKey} -days 30 -subj /CN=authority -keyout ca.key -out ca.pem`);
    return authority;
  }

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The authority's own certificate: whom to trust. */
  get file(): string {
    return join(this.#folder, "ca.pem");
  }

  /** A file with certificate and key, for these names (`DNS:localhost,IP:127.0.0.1`) and days from now. */
  async issue(names: string, days: { readonly from?: number; readonly to: number }): Promise<string> {
    this.#issued += 1;
    const name = `leaf${this.#issued}`;
    const from = dateIn(days.from ?? -30);
    const subject = `-subj /CN=site -addext subjectAltName=${names}`;
    await this.#openssl(`req -new ${newKey} ${subject} -keyout ${name}.key -out ${name}.csr`);
    const request = `-in ${name}.csr -out ${name}.crt -startdate ${from} -enddate ${dateIn(days.to)}`;
    const signed = this.#signing
      .catch(() => undefined)
      .then(() => this.#openssl(`ca -batch -notext -config ca.conf ${request}`));
    this.#signing = signed;
    await signed;
    const parts = [".crt", ".key"].map((end) => readFileSync(join(this.#folder, name + end), "utf8"));
    const file = join(this.#folder, `${name}.pem`);
    writeFileSync(file, parts.join(""));
    return file;
  }

  async #openssl(line: string): Promise<void> {
    const program = systemProgram("openssl");
    if (program === undefined) throw new Error("Certificates are made by openssl, which is not here");
    await promisify(execFile)(program, line.split(" "), { cwd: this.#folder, timeout: 20_000 });
  }
}

/** As openssl wants it: `20261128120000Z`. */
function dateIn(days: number): string {
  const date = new Date(Date.now() + days * 86_400_000);
  return `${date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`;
}

const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

const configuration = `
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
new_certs_dir = issued
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
`;
