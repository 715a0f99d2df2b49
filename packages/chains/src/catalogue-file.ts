import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit,
} from 'yaml'
import type { z } from 'zod'
import type { Catalogue } from './catalogue.ts'
import { type CatalogueFile, catalogueOfFile, catalogueSchema } from './catalogue-schema.ts'

/** One thing that is wrong with a catalogue's file, and where. Lines and columns count from 1. */
export interface CatalogueProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** As in `touchpoints[3].patience`; empty for the file as a whole. */
  readonly path: string
  readonly got: string
  readonly expected: string
}

/** Everything that is wrong with a catalogue's file; the message has one line for each problem. */
export class CatalogueError extends Error {
  readonly problems: readonly CatalogueProblem[]

  constructor(problems: readonly CatalogueProblem[]) {
    super(problems.map(lineOf).join('\n'))
    this.name = 'CatalogueError'
    this.problems = problems
  }
}

type Path = readonly PropertyKey[]

/** A problem before its place in the file is known. */
interface Finding {
  readonly path: Path
  readonly got: string
  readonly expected: string
}

/**
 * Reads a catalogue from the text of a `touchpoints.yaml`.
 *
 * @param fileName only for the messages
 * @throws CatalogueError with all problems: bad YAML; an unknown key, a wrong type or value, a bad duration or id; a
 * duplicate id; a `next` that names no touchpoint
 */
export function parseCatalogue(text: string, fileName: string): Catalogue {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const problemAt = (offset: number, finding: Finding): CatalogueProblem => {
    const { line, col } = lines.linePos(offset)
    const { got, expected } = finding
    // The counter knows no line where the text is empty.
    return {
      file: fileName,
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      path: shown(finding.path),
      got,
      expected,
    }
  }

  const syntax = syntaxProblems(document, (offset, expected) => {
    const { line } = lines.linePos(offset)
    const got = JSON.stringify((text.split('\n')[line - 1] ?? '').trim())
    return problemAt(offset, { path: [], got, expected })
  })
  if (syntax.length > 0) throw new CatalogueError(syntax)

  const json = valuesOf(document, (offset, got, expected) => {
    throw new CatalogueError([problemAt(offset, { path: [], got, expected })])
  })
  const parsed = catalogueSchema.safeParse(json)
  const firstLineOf = (path: Path) => lines.linePos(offsetOf(document, path)).line
  const findings = [
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => findingsOf(issue, json))),
    ...duplicateIds(json, firstLineOf),
    ...unknownNext(json),
  ]
  if (findings.length > 0) {
    const problems = findings.map((finding) => problemAt(offsetOf(document, finding.path), finding))
    throw new CatalogueError(problems.sort((a, b) => a.line - b.line || a.column - b.column))
  }
  return catalogueOfFile(parsed.data as CatalogueFile)
}

function lineOf(problem: CatalogueProblem): string {
  const { file, line, column, path, got, expected } = problem
  return `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}: got ${got}, expected ${expected}`
}

function syntaxProblems(
  document: Document.Parsed,
  problemAt: (offset: number, expected: string) => CatalogueProblem,
): CatalogueProblem[] {
  const problems = [...document.errors, ...document.warnings].map((error) =>
    problemAt(error.pos[0], `YAML (${error.message})`),
  )
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return
      problems.push(problemAt(alias.range?.[0] ?? 0, `YAML (no anchor &${alias.source} stands before this alias)`))
    },
  })
  return problems
}

/** The values of the file, its aliases replaced by what they stand for. */
function valuesOf(document: Document.Parsed, fail: (offset: number, got: string, expected: string) => never): unknown {
  try {
    return document.toJS()
  } catch (error) {
    // Every alias has its anchor, so a few lines of them stand for more than could be held.
    if (!(error instanceof ReferenceError)) throw error
    const aliases: Alias[] = []
    visit(document, { Alias: (_, alias) => void aliases.push(alias) })
    const expected = 'fewer than 100 uses of an anchor, uses within uses multiplied'
    return fail(aliases.at(-1)?.range?.[0] ?? 0, `${aliases.length} aliases up to here`, expected)
  }
}

function findingsOf(issue: z.core.$ZodIssue, json: unknown): Finding[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path)
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      got: `the unknown key ${JSON.stringify(key)}`,
      expected: suggestion(key, known) ?? `one of ${known.join(', ')}`,
    }))
  }
  return [{ path: issue.path, got: described(valueAt(json, issue.path)), expected: issue.message }]
}

function knownKeys(path: Path): string[] {
  const { defaults, touchpoints } = catalogueSchema.shape
  if (path.length === 0) return Object.keys(catalogueSchema.shape)
  return Object.keys(path[0] === 'defaults' ? defaults.unwrap().shape : touchpoints.element.shape)
}

function duplicateIds(json: unknown, firstLineOf: (path: Path) => number): Finding[] {
  const first = new Map<unknown, number>()
  return entriesOf(json).flatMap(({ id }, index) => {
    if (typeof id !== 'string') return []
    const before = first.get(id)
    if (before === undefined) {
      first.set(id, index)
      return []
    }
    const line = firstLineOf(['touchpoints', before, 'id'])
    const expected = `an id of its own (line ${line} has it already)`
    return [{ path: ['touchpoints', index, 'id'], got: JSON.stringify(id), expected }]
  })
}

function unknownNext(json: unknown): Finding[] {
  const entries = entriesOf(json)
  const ids = entries.flatMap(({ id }) => (typeof id === 'string' ? [id] : []))
  return entries.flatMap(({ next }, index) =>
    (Array.isArray(next) ? next : []).flatMap((id: unknown, position) => {
      if (typeof id !== 'string' || ids.includes(id)) return []
      const expected = suggestion(id, ids) ?? 'the id of a touchpoint in this file'
      return [{ path: ['touchpoints', index, 'next', position], got: JSON.stringify(id), expected }]
    }),
  )
}

function entriesOf(json: unknown): Record<string, unknown>[] {
  const list = valueAt(json, ['touchpoints'])
  // What is no map stays in the list, without keys, so that indexes are those of the file.
  return Array.isArray(list) ? list.map((entry) => (typeof entry === 'object' && entry !== null ? entry : {})) : []
}

function valueAt(json: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], json)
}

function described(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : JSON.stringify(value)
}

/** As in `touchpoints[3].patience`. */
function shown(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}

/** Where in the text a path stands: its value, or its key where that is unknown; else the nearest thing around it. */
function offsetOf(document: Document.Parsed, path: Path): number {
  let node: Node | null = document.contents
  let offset = startOf(node) ?? 0
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document) ?? null
    if (isSeq<ParsedNode>(node)) node = node.items[Number(key)] ?? null
    else if (isMap<ParsedNode, ParsedNode | null>(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
      if (pair === undefined) return offset
      const known = knownKeys(path.slice(0, -1)).includes(String(key))
      if (key === path.at(-1) && !known) return startOf(pair.key) ?? offset
      node = pair.value
      offset = startOf(pair.key) ?? offset
    }
    offset = startOf(node) ?? offset
  }
  return offset
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0]
}

/** "X?" in words: the known word that is nearest, where one is near enough to be meant. */
function suggestion(word: string, known: readonly string[]): string | null {
  const distances = known.map((other) => ({ other, distance: editDistance(word.toLowerCase(), other.toLowerCase()) }))
  const nearest = distances.sort((a, b) => a.distance - b.distance)[0]
  if (nearest === undefined || nearest.distance > Math.max(1, Math.floor(word.length / 3))) return null
  return `${JSON.stringify(nearest.other)} (the nearest known one)`
}

/** Levenshtein distance, by the row-by-row method of Wagner and Fischer. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
