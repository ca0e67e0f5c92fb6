/** Is the certificate one that clients take, for how long, and which protocol versions are spoken? */

import { isIP } from "node:net";
import {
  checkServerIdentity,
  connect,
  type ConnectionOptions,
  type PeerCertificate,
  type TLSSocket,
} from "node:tls";
import { trust } from "./ask.ts";
import * as cures from "./cures.ts";
import { faultOf, timedOut } from "./fault.ts";
import { type Finding, ok, problem, skipped, warning } from "./finding.ts";
import type { Inquiry } from "./inquiry.ts";

/** Notes that certificates are to be verified from here on, when this one is good. */
export async function checkTls(inquiry: Inquiry): Promise<Finding> {
  if (!inquiry.secure) {
    return skipped("the URL is one for http://; users' links to a public site need https://");
  }
  const seen = await shake(inquiry, {});
  if (seen instanceof Error) return problem(seen.message, [cures.notTls]);
  const old = await shake(inquiry, { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: weakest });
  const host = hostOf(inquiry);
  const wrong = faultsOf(seen, host);
  const days = Math.floor((Date.parse(seen.certificate.valid_to) - Date.now()) / dayMs);
  const hints: cures.Cure[] = [];
  if (days >= 0 && days < renewedDays) hints.push(cures.expiresSoon(days));
  if (!(old instanceof Error)) hints.push(cures.oldTls);
  const figures = {
    protocol: seen.protocol,
    authorization: seen.authorization,
    names: namesOf(seen.certificate),
    validTo: new Date(seen.certificate.valid_to),
    days,
    acceptsOldProtocols: !(old instanceof Error),
  };
  const text = `${seen.protocol}, certificate for ${namesOf(seen.certificate)}, ${shownDays(days)}`;
  if (wrong.length > 0 && !inquiry.target.insecure) return problem(text, [...wrong, ...hints], figures);
  inquiry.verifies = wrong.length === 0;
  if (wrong.length > 0) return ok(`${text}, not verified (--insecure)`, figures);
  const trusted = `${text}, chain trusted`;
  return hints.length === 0 ? ok(trusted, figures) : warning(trusted, hints, figures);
}

function faultsOf({ authorization, certificate }: Seen, host: string): readonly cures.Cure[] {
  const found: cures.Cure[] = [];
  if (authorization === "CERT_HAS_EXPIRED") {
    found.push(cures.expired(new Date(certificate.valid_to).toISOString().slice(0, 10)));
  } else if (authorization === "CERT_NOT_YET_VALID") found.push(cures.notYetValid);
  else if (incomplete.has(authorization)) found.push(cures.chainIncomplete);
  else if (authorization !== "" && authorization !== wrongName) found.push(cures.untrusted);
  // Verification stops at the first fault, and somebody who repairs that one wants to know of the others.
  if (authorization !== "CERT_HAS_EXPIRED" && Date.parse(certificate.valid_to) < Date.now()) {
    found.push(cures.expired(new Date(certificate.valid_to).toISOString().slice(0, 10)));
  }
  if (checkServerIdentity(host, certificate) !== undefined) {
    found.push(cures.wrongHost(host, namesOf(certificate)));
  }
  return found;
}

/** One handshake and nothing more; resolves with the error when there is none. */
async function shake(inquiry: Inquiry, options: ConnectionOptions): Promise<Seen | Error> {
  const { target } = inquiry;
  const host = hostOf(inquiry);
  const { promise, resolve } = Promise.withResolvers<Seen | Error>();
  const own = options.ciphers === undefined ? trust(inquiry) : {};
  const socket: TLSSocket = connect({
    host,
    port: Number(target.url.port || 443),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...own,
    ...options,
    rejectUnauthorized: false,
  });
  const timer = setTimeout(() => resolve(timedOut(target.timeoutMs)), target.timeoutMs);
  const abort = () => resolve(timedOut(target.timeoutMs));
  inquiry.signal.addEventListener("abort", abort, { once: true });
  socket.once("error", (error) => resolve(faultOf(error, target.timeoutMs)));
  socket.once("secureConnect", () => {
    const error = socket.authorizationError as unknown as string | Error | null;
    resolve({
      protocol: socket.getProtocol() ?? "",
      authorization: error instanceof Error ? codeOf(error) : (error ?? ""),
      certificate: socket.getPeerCertificate(),
    });
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    inquiry.signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

function hostOf({ target }: Inquiry): string {
  return target.url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function namesOf(certificate: PeerCertificate): string {
  const names = (certificate.subjectaltname ?? "")
    .split(", ")
    .map((name) => name.replace(/^(DNS|IP Address):/, ""));
  const shown = names.filter((name) => name !== "");
  if (shown.length === 0) return String(certificate.subject?.CN ?? "no name");
  const more = shown.length > namesShown ? ` (and ${shown.length - namesShown} more)` : "";
  return shown.slice(0, namesShown).join(", ") + more;
}

function shownDays(days: number): string {
  return days < 0 ? `expired ${-days} days ago` : `${days} days left`;
}

const incomplete = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_GET_ISSUER_CERT",
]);
/** Found below, for every certificate. */
const wrongName = "ERR_TLS_CERT_ALTNAME_INVALID";
/** OpenSSL itself does not offer old versions above level 0. */
const weakest = "DEFAULT:@SECLEVEL=0";
const dayMs = 86_400_000;
/** Let's Encrypt's and most other clients renew at 30 days. */
const renewedDays = 21;
const namesShown = 3;

type Seen = {
  readonly protocol: string;
  readonly authorization: string;
  readonly certificate: PeerCertificate;
};
