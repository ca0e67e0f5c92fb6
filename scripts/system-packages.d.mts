export type SystemPackage = {
  readonly name: string;
  readonly programs: readonly string[];
  readonly usedFor: string;
};

export const systemPackages: readonly SystemPackage[];

/**
 * The absolute path of a package's program, or undefined when it is not on this machine.
 *
 * @throws when no row of `systemPackages` has this name.
 */
export function systemProgram(packageName: string): string | undefined;

/** The command that installs what is named; for people, and for the message of a skipped test. */
export function installCommand(names: readonly string[]): string;
