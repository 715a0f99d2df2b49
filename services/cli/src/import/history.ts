import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { UsageError } from '../terminal.ts'

/**
 * Which file was imported under which mapping. Under another one the same rows would become other interactions, with
 * other ids, and stand there twice: nobody could see that in the report.
 */
type History = Readonly<Record<string, string>>

const FILE = 'imports.json'

/**
 * Compares the mapping of an import with what the data directory remembers of its files.
 *
 * @param mappingText null where the files are in our own shape
 * @returns writes it down; to be called once something of these files is taken in
 * @throws UsageError where one of them was imported under another mapping, unless `allowed`
 */
export function compareMapping(
  directory: string,
  files: readonly string[],
  mappingText: string | null,
  allowed: boolean,
): () => void {
  const path = join(directory, FILE)
  const known: History = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
  const digest =
    mappingText === null
      ? 'none'
      : createHash('sha256')
          .update(JSON.stringify(parse(mappingText)))
          .digest('hex')
  const changed = files.filter((file) => (known[resolve(file)] ?? digest) !== digest)
  if (changed.length > 0 && !allowed) {
    throw new UsageError(
      `${changed.join(', ')} was imported into ${directory} before, under another mapping. Imported again, its events may stand there twice. ` +
        `Begin anew (delete ${directory}, or name an empty one with --data-dir), or insist with --mapping-changed.`,
    )
  }
  return () => {
    const next = { ...known, ...Object.fromEntries(files.map((file) => [resolve(file), digest])) }
    writeFileSync(`${path}.new`, `${JSON.stringify(next, null, 2)}\n`)
    renameSync(`${path}.new`, path)
  }
}
