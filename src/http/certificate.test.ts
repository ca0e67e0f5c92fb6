import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeExpiredCertificate, makeTlsSite } from "../../test/deploy/tls-site.ts";
import { readCertificate } from "./certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-certificate-"));
const fileOf = (name: string) => join(folder, name);

beforeAll(async () => {
  for (const name of ["one", "two"]) await makeTlsSite(fileOf(name), "127.0.0.1");
  await makeExpiredCertificate(folder);
  const lock = ["pkey", "-aes256", "-passout", "pass:a", "-in", fileOf("one/key.pem")];
  execFileSync("openssl", [...lock, "-out", fileOf("locked.pem")]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["a certificate and its key", "one/certificate.pem", "one/key.pem"],
  ["one file that holds both", "one/site.pem", "one/site.pem"],
])("%s can be used", (_, certificate, key) => {
  const read = readCertificate({ certificateFile: fileOf(certificate), keyFile: fileOf(key) });
  expect(read.warning).toBeUndefined();
  expect(read.context.minVersion).toBe("TLSv1.2");
});

test.each([
  ["none.pem", "one/key.pem", "HOLDFAST_TLS_CERTIFICATE=FOLDER/none.pem cannot be read: ENOENT"],
  ["one", "one/key.pem", "HOLDFAST_TLS_CERTIFICATE=FOLDER/one cannot be read: EISDIR"],
  [
    "one/key.pem",
    "one/key.pem",
    "HOLDFAST_TLS_CERTIFICATE=FOLDER/one/key.pem holds no certificate in PEM form",
  ],
  ["one/certificate.pem", "none.pem", "HOLDFAST_TLS_KEY=FOLDER/none.pem cannot be read: ENOENT"],
  [
    "one/certificate.pem",
    "one/certificate.pem",
    "HOLDFAST_TLS_KEY=FOLDER/one/certificate.pem holds no private key",
  ],
  ["one/certificate.pem", "locked.pem", "HOLDFAST_TLS_KEY=FOLDER/locked.pem is encrypted; write one without"],
  [
    "one/certificate.pem",
    "two/key.pem",
    "HOLDFAST_TLS_KEY=FOLDER/two/key.pem is not the key of HOLDFAST_TLS_CERT",
  ],
])("%s with %s is refused by the name of what is wrong", (certificate, key, message) => {
  expect(() => readCertificate({ certificateFile: fileOf(certificate), keyFile: fileOf(key) })).toThrow(
    message.replace("FOLDER", folder),
  );
});

test("what has expired is warned of, and used", () => {
  const files = { certificateFile: fileOf("expired.pem"), keyFile: fileOf("expired-key.pem") };
  const { warning, validTo } = readCertificate(files);
  expect(warning).toContain("has expired");
  expect(validTo.toISOString()).toBe("2020-01-02T00:00:00.000Z");
});
