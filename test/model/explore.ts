/**
 * Explores everything that a model can do, breadth first: every state that can be reached within the model's
 * own budgets is visited once, each is checked, and from each the model must settle once faults have stopped.
 * The first broken state that is met is one of the nearest, so its path is a shortest counterexample.
 */

import { hash } from "node:crypto";

/** One thing that may happen next. `apply` changes the copy of the state that it is given. */
export type Action<State> = {
  /**
   * Happens by itself, sooner or later. What is not inevitable is a fault or a wish, and may never happen.
   */
  readonly inevitable: boolean;
  readonly say: () => string;
  readonly apply: (state: State) => void;
};

export type Model<State> = {
  readonly initial: () => State;
  readonly clone: (state: State) => State;
  /** Two states with the same name have the same future. */
  readonly name: (state: State) => string;
  /**
   * Everything that may happen in a state. Those that come first are taken first where faults have stopped.
   */
  readonly actions: (state: State, phase: "faults" | "quiet") => readonly Action<State>[];
  /**
   * The state in which faults have stopped: what might still have happened in it does not matter any more.
   */
  readonly calm: (state: State) => State;
  /** Says what is wrong with a state, "" when nothing is. */
  readonly broken: (state: State) => string;
  /** Says what is missing in a state in which nothing more happens by itself, "" when nothing is. */
  readonly unsettled: (state: State) => string;
};

export type Bounds = {
  /** Gives up, without a verdict, beyond so many states. */
  readonly statesMax: number;
  /**
   * Which continuations have to settle: `each` one, or the two that always take the first, or the last,
   * action.
   */
  readonly settles: "each" | "some";
};

export type Exploration = {
  readonly complete: boolean;
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** States without faults from which settling was checked; they may lie beyond the budgets. */
  readonly quietStates: number;
  readonly seconds: number;
  readonly counterexample: Counterexample | undefined;
};

export type Counterexample = { readonly what: string; readonly steps: readonly string[] };

export function explore<State>(model: Model<State>, bounds: Bounds): Exploration {
  return new Explorer(model, bounds).run();
}

/** The path as numbered sentences, and at its end what is broken. */
export function narrate({ what, steps }: Counterexample): string {
  const lines = steps
    .slice(0, stepsToldMax)
    .map((step, index) => `${String(index + 1).padStart(3)}. ${step}`);
  if (steps.length > stepsToldMax) lines.push(`     And so on, ${steps.length} steps in all.`);
  return [...lines, `     BROKEN: ${what}`].join("\n");
}

/** What goes round for ever has been told by then. */
const stepsToldMax = 60;

type Visit = { readonly parent: number; readonly choice: number; readonly depth: number };

class Explorer<State> {
  readonly #model: Model<State>;
  readonly #bounds: Bounds;
  readonly #seen = new Set<string>();
  /** How each state was reached. The path is walked again to tell it, so that no sentence has to be kept. */
  readonly #visits: Visit[] = [];
  readonly #settled: readonly Set<string>[] = [new Set(), new Set()];
  #transitions = 0;
  #counterexample: Counterexample | undefined;

  constructor(model: Model<State>, bounds: Bounds) {
    this.#model = model;
    this.#bounds = bounds;
  }

  run(): Exploration {
    const startedAt = performance.now();
    const model = this.#model;
    let frontier: { state: State; index: number }[] = [];
    const first = this.#visit(model.initial(), { parent: -1, choice: 0, depth: 0 });
    if (first !== undefined) frontier.push(first);
    let complete = true;
    while (frontier.length > 0 && this.#counterexample === undefined) {
      if (this.#visits.length > this.#bounds.statesMax) {
        complete = false;
        break;
      }
      const next: typeof frontier = [];
      for (const { state, index } of frontier) {
        this.#expand(state, index, next);
        if (this.#counterexample !== undefined) break;
      }
      frontier = next;
    }
    return {
      complete,
      states: this.#visits.length,
      transitions: this.#transitions,
      depth: this.#visits.at(-1)?.depth ?? 0,
      quietStates: this.#settled.reduce((sum, { size }) => sum + size, 0),
      seconds: (performance.now() - startedAt) / 1000,
      counterexample: this.#counterexample,
    };
  }

  #expand(state: State, index: number, found: { state: State; index: number }[]): void {
    const actions = this.#model.actions(state, "faults");
    const depth = (this.#visits[index]?.depth ?? 0) + 1;
    for (const [choice, action] of actions.entries()) {
      const next = this.#after(state, action);
      this.#transitions += 1;
      const visited = this.#visit(next, { parent: index, choice, depth });
      if (visited !== undefined) found.push(visited);
      if (this.#counterexample !== undefined) return;
    }
  }

  /** Returns undefined for a state that is known. */
  #visit(state: State, visit: Visit): { state: State; index: number } | undefined {
    const name = this.#digest(state);
    if (this.#seen.has(name)) return undefined;
    this.#seen.add(name);
    const index = this.#visits.push(visit) - 1;
    const broken = this.#model.broken(state);
    if (broken !== "") this.#counterexample = { what: broken, steps: this.#path(index) };
    else this.#checkSettling(state, index);
    return { state, index };
  }

  /** 160 bits stand for the name, which would fill the memory. */
  #digest(state: State): string {
    return hash("sha1", this.#model.name(state), "base64url");
  }

  #after(state: State, action: Action<State>): State {
    const next = this.#model.clone(state);
    action.apply(next);
    return next;
  }

  #path(index: number): string[] {
    const choices: number[] = [];
    for (let at = index; at > 0; at = this.#visits[at]?.parent ?? 0) {
      choices.push(this.#visits[at]?.choice ?? 0);
    }
    let state = this.#model.initial();
    return choices.toReversed().map((choice) => {
      const action = this.#model.actions(state, "faults")[choice] as Action<State>;
      state = this.#after(state, action);
      return action.say();
    });
  }

  // --- settling ---

  #checkSettling(state: State, index: number): void {
    const each = this.#bounds.settles === "each";
    for (const [order, settled] of this.#settled.entries()) {
      if (each && order > 0) return;
      const choose = (actions: readonly Action<State>[]) => {
        if (each) return actions;
        const one = order === 0 ? actions[0] : actions.at(-1);
        return one === undefined ? [] : [one];
      };
      const failure = this.#settle(this.#model.calm(state), { settled, choose });
      if (failure === undefined) continue;
      const steps = [...this.#path(index), "From here on there are no more faults.", ...failure.steps];
      this.#counterexample = { what: failure.what, steps };
      return;
    }
  }

  /** Walks what is inevitable from a state on, depth first. Returns the first path that does not end well. */
  #settle(start: State, how: Settling<State>): Counterexample | undefined {
    const { settled, choose } = how;
    const path: Walk<State>[] = [];
    const under = new Set<string>();
    const enter = (state: State, step: string): Counterexample | undefined => {
      const name = this.#digest(state);
      if (settled.has(name)) return undefined;
      const steps = () => [...path.map((walk) => walk.step), step].filter((sentence) => sentence !== "");
      const broken = this.#model.broken(state);
      if (broken !== "") return { what: broken, steps: steps() };
      if (under.has(name) || path.length > quietStepsMax) {
        return { what: "it goes on like this for ever", steps: steps() };
      }
      const actions = choose(this.#model.actions(state, "quiet"));
      const missing = actions.length === 0 ? this.#model.unsettled(state) : "";
      if (missing !== "") return { what: missing, steps: steps() };
      under.add(name);
      path.push({ state, name, step, actions, taken: 0 });
      return undefined;
    };
    let failure = enter(start, "");
    for (let walk = path.at(-1); walk !== undefined && failure === undefined; walk = path.at(-1)) {
      const action = walk.actions[walk.taken];
      walk.taken += 1;
      if (action !== undefined) {
        failure = enter(this.#after(walk.state, action), action.say());
        continue;
      }
      settled.add(walk.name);
      under.delete(walk.name);
      path.pop();
    }
    return failure;
  }
}

type Settling<State> = {
  readonly settled: Set<string>;
  readonly choose: (actions: readonly Action<State>[]) => readonly Action<State>[];
};

type Walk<State> = {
  readonly state: State;
  readonly name: string;
  readonly step: string;
  readonly actions: readonly Action<State>[];
  taken: number;
};

/** Far more than it takes to settle, counting every frame and every commit. */
const quietStepsMax = 300;
