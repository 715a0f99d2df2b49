import { describe } from 'vitest'
import { debianProgram, NoProgramError } from '../../infra/debian.ts'

/**
 * A suite that needs programs of a Debian package; `body` gets their paths by name. Where they cannot be had it is skipped,
 * and a line says why; in CI it fails.
 */
export async function describeWithPrograms<Program extends string>(
  name: string,
  packageName: string,
  programs: readonly Program[],
  body: (paths: Readonly<Record<Program, string>>) => void,
): Promise<void> {
  const paths = Object.fromEntries(programs.map((program) => [program, ''])) as Record<Program, string>
  try {
    for (const program of programs) paths[program] = await debianProgram(packageName, program)
  } catch (error) {
    const ci = process.env.CI ?? ''
    if (!(error instanceof NoProgramError) || (ci !== '' && ci !== 'false')) throw error
    process.stderr.write(`Left out: "${name}", because ${error.message}\n`)
    describe.skip(`${name} (left out: ${error.message})`, () => body(paths))
    return
  }
  describe(name, () => body(paths))
}
