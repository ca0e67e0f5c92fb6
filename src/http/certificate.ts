/** The certificate with which this process ends TLS itself, looked at before a client has to. */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";

export type CertificateFiles = { readonly certificateFile: string; readonly keyFile: string };

export type Certificate = {
  readonly context: SecureContextOptions;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** Why clients will refuse it today; undefined when its dates are right. */
  readonly warning: string | undefined;
};

/**
 * Reads both files.
 *
 * @throws an error whose message names the setting, what is wrong, and what to do.
 */
export function readCertificate({ certificateFile, keyFile }: CertificateFiles): Certificate {
  const chain = contentOf("HOLDFAST_TLS_CERTIFICATE", certificateFile);
  const keyText = contentOf("HOLDFAST_TLS_KEY", keyFile);
  const certificate = parsed(
    `HOLDFAST_TLS_CERTIFICATE=${certificateFile} holds no certificate in PEM form`,
    () => new X509Certificate(chain),
  );
  const key = parsed(keyProblem(keyFile, keyText), (): KeyObject => createPrivateKey(keyText));
  if (!certificate.checkPrivateKey(key)) {
    throw new Error(
      `HOLDFAST_TLS_KEY=${keyFile} is not the key of HOLDFAST_TLS_CERTIFICATE=${certificateFile}. ` +
        "The site's own certificate has to come first in its file, the chain after it.",
    );
  }
  // Reset to the default at each exchange, so it is said with the certificate.
  const context: SecureContextOptions = { cert: chain, key: keyText, minVersion: "TLSv1.2" };
  parsed(`HOLDFAST_TLS_CERTIFICATE=${certificateFile} cannot be used`, () => createSecureContext(context));
  const validFrom = new Date(certificate.validFrom);
  const validTo = new Date(certificate.validTo);
  return { context, validFrom, validTo, warning: warningOf(validFrom, validTo) };
}

function warningOf(validFrom: Date, validTo: Date): string | undefined {
  const now = Date.now();
  if (validTo.getTime() < now) return "the certificate has expired: clients refuse it until it is renewed";
  if (validFrom.getTime() > now) return "the certificate is not valid yet: is this machine's clock right?";
  return undefined;
}

function contentOf(setting: string, file: string): string {
  return parsed(`${setting}=${file} cannot be read`, () => readFileSync(file, "latin1"));
}

function keyProblem(file: string, text: string): string {
  const isEncrypted = text.includes("ENCRYPTED");
  return isEncrypted
    ? `HOLDFAST_TLS_KEY=${file} is encrypted; write one without a passphrase (openssl pkey -in ... -out ...)`
    : `HOLDFAST_TLS_KEY=${file} holds no private key in PEM form`;
}

function parsed<T>(problem: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Error(`${problem}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
