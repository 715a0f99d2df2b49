import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

// ARCHITECTURE.md says who may know whom; this test holds it.

const root = fileURLToPath(new URL('..', import.meta.url))

/** Which packages of ours each one may import in its src folder. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'packages/interactions': [],
  'packages/chains': ['interactions'],
  'packages/runtime': [],
  'packages/event-log': ['runtime'],
  'packages/clickhouse': ['runtime'],
  'packages/reports': ['chains', 'clickhouse', 'interactions'],
  'services/alerts': ['chains', 'clickhouse', 'event-log', 'interactions', 'reports', 'runtime'],
  'services/api': ['chains', 'clickhouse', 'event-log', 'interactions', 'reports', 'runtime'],
  'services/collector': ['event-log', 'interactions', 'runtime'],
  'services/simulator': ['interactions', 'runtime'],
  'services/tailer': ['interactions', 'runtime'],
  'services/tracker': ['chains', 'clickhouse', 'event-log', 'interactions', 'runtime'],
  'services/cli': [
    ...['chains', 'clickhouse', 'event-log', 'interactions', 'reports', 'runtime'],
    ...['alerts', 'api', 'collector', 'simulator', 'tailer', 'tracker'],
  ],
}

/** Folders of sources. */
const PURE = ['packages/interactions/src', 'packages/chains/src', 'services/simulator/src/company']
/** What a pure package may take from Node: computing, never looking around. */
const PURE_NODE = ['node:crypto']
/** Clock, environment, promises, chance and terminals. */
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\)|\bprocess\.|\bPromise\b|\basync\b|\bawait\b|\bMath\.random\b|\bconsole\.|\bsetTimeout\b|\bperformance\./

describe('import rules', () => {
  it('covers every package and service', () => {
    const found = ['packages', 'services'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
    )
    expect(found.sort()).toEqual(Object.keys(MAY_IMPORT).sort())
  })

  for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
    it(`${folder} imports only ${allowed.join(', ') || 'none of ours'}`, () => {
      const ours = importsOf(folder).filter(({ target }) => target.startsWith('@weaklink/'))
      const forbidden = ours.filter(({ target }) => !allowed.includes(target.split('/')[1] ?? ''))
      expect(forbidden).toEqual([])
    })

    it(`${folder} reaches no other folder by a relative path, and names what it imports in its package.json`, () => {
      const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
      const named = { ...manifest.dependencies, ...manifest.optionalDependencies }
      const wrong = importsOf(folder).filter(({ file, target }) => {
        if (target.startsWith('.')) return relative(join(root, folder), join(file, '..', target)).startsWith(`..${sep}`)
        if (target.startsWith('node:')) return false
        const name = target
          .split('/')
          .slice(0, target.startsWith('@') ? 2 : 1)
          .join('/')
        return !(name in named)
      })
      expect(wrong).toEqual([])
    })
  }

  for (const folder of PURE) {
    it(`${folder} is pure: no clock, no environment, no promise, no I/O`, () => {
      const io = importsOf(folder, '.').filter(
        ({ target }) => target.startsWith('node:') && !PURE_NODE.includes(target),
      )
      expect(io).toEqual([])
      const impure = sources(folder, '.').flatMap((file) =>
        code(file)
          .split('\n')
          .flatMap((line, k) => (IMPURE.test(line) ? [`${relative(root, file)}:${k + 1} ${line.trim()}`] : [])),
      )
      expect(impure).toEqual([])
    })
  }

  it('the shape of a report imports nothing but zod, so that a page may import it', () => {
    const shapes = sources('packages/reports').filter((file) => file.endsWith('shape.ts'))
    expect(shapes.length).toBeGreaterThan(0)
    const targets = shapes
      .flatMap((file) => targetsOf(file))
      .filter((target) => target !== 'zod' && !target.endsWith('shape.ts'))
    expect(targets).toEqual([])
  })
})

function sources(folder: string, inside = 'src'): string[] {
  return readdirSync(join(root, folder, inside), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, folder, inside, name))
}

function importsOf(folder: string, inside?: string): { file: string; target: string }[] {
  return sources(folder, inside).flatMap((file) => targetsOf(file).map((target) => ({ file, target })))
}

function targetsOf(file: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g
  return [...code(file).matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** The text without comments: they may talk of what the code must not do. */
function code(file: string): string {
  return readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .replace(/^\s*\/\/.*$/gm, '')
}
