/** What a virtual user does: runs its clients, and reports what they have seen. */

import exec from "k6/execution";
import http from "k6/http";
import type { ClientAnswer, StartedPlan } from "../contract.ts";
import { endAllTimers } from "./surroundings.ts";
import { type Connector, VirtualClient } from "./virtual-client.ts";

export function runClients(connector: Connector): (plan: StartedPlan) => void {
  return (plan) => {
    const { clients: count, clientsPerUser } = plan;
    const user = exec.vu.idInTest - 1;
    const first = user * clientsPerUser;
    const length = Math.min(clientsPerUser, count - first);
    const clients = Array.from(
      { length },
      (_none, index) => new VirtualClient(first + index, plan, connector),
    );
    const send = () => report(plan.ledger, clients);
    let running = length;
    const ended = () => {
      running -= 1;
      if (running > 0) return;
      // Those of the disconnect as well: an iteration lasts as long as a timer is set.
      endAllTimers();
      send();
    };
    for (const client of clients) client.begin(ended);
    // Clients beside each other report at other moments.
    setInterval(send, reportEveryMs + (user % 50) * 20);
  };
}

function report(ledger: string, clients: readonly VirtualClient[]): void {
  const parts = clients.flatMap((client) => client.takePart() ?? []);
  if (parts.length === 0) return;
  void deliver(`${ledger}/clients`, `[${parts.join(",")}]`).then(({ talkUntilMs }) => {
    if (talkUntilMs !== undefined) for (const client of clients) client.endTalkAt(talkUntilMs);
  });
}

/** Again and again, because a part that is missing makes the run invalid. */
async function deliver(url: string, parts: string): Promise<ClientAnswer> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const response = await http.asyncRequest("POST", url, parts);
    if (response.status === 200) return response.json() as ClientAnswer;
  }
  return {};
}

const attemptsMax = 5;
const reportEveryMs = 4_000;
