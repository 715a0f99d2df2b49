import { globSync, readFileSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** One instruction of a Dockerfile: `COPY`, and what stands behind it. */
export interface Instruction {
  readonly name: string
  readonly text: string
}

/** The instructions of a Dockerfile, lines that go on put together, comments left out. */
export function instructionsOf(path: string): readonly Instruction[] {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
  return lines.map((line) => {
    const [, name = '', text = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    return { name, text }
  })
}

/** The files of the project that .dockerignore lets through, relative to its root: what an image can be built from. */
export function buildContext(): readonly string[] {
  const rules = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => ({ lets: line.startsWith('!'), pattern: patternOf(line.replace(/^!/, '')) }))
  const isLet = (path: string) => {
    const parts = path.split('/')
    // A rule for a folder is one for what is in it; the last rule counts.
    const each = parts.map((_, k) => parts.slice(0, k + 1).join('/'))
    return rules.findLast(({ pattern }) => each.some((one) => pattern.test(one)))?.lets ?? true
  }
  return globSync('**/*', { cwd: ROOT, exclude: (path) => /(^|\/)(node_modules|\.git)$/.test(path) })
    .map((path) => path.replaceAll(sep, '/'))
    .filter((path) => isLet(path) && statSync(join(ROOT, path)).isFile())
}

function patternOf(glob: string): RegExp {
  const body = glob
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll(
      /\*\*\/|\*\*|\*|\?/g,
      (one) => ({ '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' })[one] ?? '',
    )
  return new RegExp(`^${body}$`)
}
