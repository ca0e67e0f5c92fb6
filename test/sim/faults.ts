/** What goes wrong, and when: each kind of fault of the plan, one after another at random moments. */

import type { FaultKind } from "./plan.ts";
import type { Seeded } from "./seeded.ts";
import type { Process } from "./virtual-time.ts";
import type { World } from "./world.ts";

export class Faults {
  readonly #world: World;
  /** Of the fault that is about to happen. */
  #random: Seeded;
  /** Rare enough that something is achieved in between. */
  #rewindsLeft = 3;

  constructor(world: World) {
    this.#world = world;
    const { random } = world.timeline;
    this.#random = random;
    for (const kind of world.plan.faults) this.#soon(kind, random.named(`fault ${kind}`));
  }

  /**
   * When nothing else goes wrong any more: clocks are set back while events wait that nobody listens for.
   * Among other faults a connection rarely lasts long enough to see what comes of it.
   */
  whenCalm(): void {
    const { timeline, plan, seats, history, less } = this.#world;
    if (!plan.hazards.faults.includes("clockJump") || !less.next("lastJump").happens) return;
    for (const { name, page } of seats) {
      if (page !== undefined) timeline.for(page.owner, 0, () => page.emitUnheard(`${name}e0`));
    }
    timeline.later(2 * plan.latencyMs + plan.storeLatencyMs + 50, () => {
      for (const { process } of this.#world.liveNodes) process.skewMs -= 3_600_000;
      history.add({ kind: "fault", what: "clockJump", detail: "all nodes by an hour, back" });
    });
  }

  /** Each kind keeps its own time, so that one may be left out without moving the others. */
  #soon(kind: FaultKind, random: Seeded): void {
    const { timeline, plan, less, history } = this.#world;
    const everyMs = plan.faultEveryMs * plan.faults.length;
    timeline.later(random.waiting(everyMs, plan.durationMs), () => {
      if (!this.#world.busy) return;
      const { turn, happens } = less.next(kind);
      this.#random = random.named(String(turn));
      const detail = happens ? this.#happen(kind) : undefined;
      if (detail !== undefined) history.add({ kind: "fault", what: kind, detail });
      this.#soon(kind, random);
    });
  }

  /** Returns whom it hit, undefined when there was nobody to hit. */
  #happen(kind: FaultKind): string | undefined {
    switch (kind) {
      case "storeSlow":
        return this.#storeSlow();
      case "storeRefuses":
        return this.#storeRefuses();
      case "storeFull":
        return this.#storeFull();
      case "storeRewinds":
      case "storeRewindsSilently":
        return this.#storeRewinds(kind === "storeRewinds");
      case "clockJump":
        return this.#clockJump();
      case "blackout":
        this.#world.blackout();
        return "all nodes";
      case "crash":
      case "crashMidway":
      case "powerLoss":
      case "freezeNode":
      case "drain":
        return this.#hitNode(kind);
      default:
        return this.#hitPage(kind);
    }
  }

  #storeSlow(): string {
    const { store, timeline } = this.#world;
    const forMs = this.#random.whole(50, 4_000);
    store.slowUntil = timeline.now + forMs;
    return `${forMs} ms`;
  }

  #storeRefuses(): string {
    const { store, timeline } = this.#world;
    const forMs = this.#random.whole(10, 4_000);
    store.refusesUntil = timeline.now + forMs;
    return `${forMs} ms`;
  }

  #storeFull(): string {
    const forMs = this.#random.whole(10, 8_000);
    this.#world.store.fill(forMs);
    return `${forMs} ms`;
  }

  #storeRewinds(renew: boolean): string | undefined {
    if (this.#rewindsLeft === 0) return undefined;
    this.#rewindsLeft -= 1;
    const lastMs = this.#random.pick([100, 1_000, 5_000]);
    this.#world.store.rewind(lastMs, renew);
    return `the last ${lastMs} ms`;
  }

  /** To how far off it is now, so that many jumps lead nowhere in the end. */
  #clockJump(): string | undefined {
    const { liveNodes, seats } = this.#world;
    const nodes = liveNodes.map(({ process }) => process);
    const pages = seats.flatMap(({ page }) => (page === undefined ? [] : [page.owner]));
    const some = this.#random.chance(0.7) ? nodes : pages;
    if (some.length === 0) return undefined;
    const process = this.#random.pick(some);
    const sizeMs = this.#random.pick([3_000, 60_000, 3_600_000]);
    process.skewMs = this.#random.chance(0.5) ? sizeMs : -sizeMs;
    return `${process.name} is off by ${process.skewMs} ms`;
  }

  #hitNode(kind: "crash" | "crashMidway" | "powerLoss" | "freezeNode" | "drain"): string | undefined {
    const world = this.#world;
    const live = world.liveNodes.filter(({ draining }) => !draining);
    if (live.length === 0) return undefined;
    const node = this.#random.pick(live);
    switch (kind) {
      case "crash":
        world.crash(node, true);
        break;
      case "powerLoss":
        world.crash(node, false);
        break;
      case "crashMidway":
        node.process.outputsLeft = this.#random.whole(0, 12);
        break;
      case "drain":
        world.drain(node);
        break;
      case "freezeNode":
        this.#freeze(node.process);
        break;
    }
    return node.name;
  }

  #hitPage(kind: FaultKind): string | undefined {
    const world = this.#world;
    const { now } = world.timeline;
    const seat = this.#random.pick(world.seats);
    const { link, page } = seat;
    if (page === undefined) return undefined;
    switch (kind) {
      case "offline":
        seat.offlineUntil = now + this.#random.whole(100, 10_000);
        link?.reset();
        break;
      case "away":
        seat.offlineUntil = now + this.#random.whole(1, 2 * (world.plan.hazards.sessionLifeMs ?? 0));
        if (this.#random.chance(0.5)) link?.reset();
        else if (link !== undefined) link.toClient.cut = link.toServer.cut = true;
        break;
      case "freezePage":
        this.#freeze(page.owner);
        break;
      case "reload":
        world.reload(seat, false);
        break;
      case "reloadSaved":
        world.reload(seat, true);
        break;
      case "copy":
        world.copy(seat);
        break;
      default:
        if (link === undefined || !link.open) return undefined;
        if (kind === "reset") link.reset();
        if (kind === "halfOpenToServer" || kind === "halfOpenBoth") link.toServer.cut = true;
        if (kind === "halfOpenToClient" || kind === "halfOpenBoth") link.toClient.cut = true;
        if (kind === "stall") link.stall(now + this.#random.whole(50, 12_000));
    }
    return page.name;
  }

  /** What was to happen to a frozen process has been put off already, so it does not wake up earlier. */
  #freeze(process: Process): void {
    const until = this.#world.timeline.now + this.#random.pick([1_000, 10_000, 60_000]);
    process.frozenUntil = Math.max(process.frozenUntil, until);
    this.#world.history.add({ kind: "frozen", process: process.name, until: process.frozenUntil });
  }
}
