import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { StoreError } from '../errors.ts'

const PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@chdb/lib-darwin-arm64',
  'darwin-x64': '@chdb/lib-darwin-x64',
  'linux-arm64': '@chdb/lib-linux-arm64-gnu',
  'linux-x64': '@chdb/lib-linux-x64-gnu',
}

/**
 * Path of the ClickHouse library of this machine; npm installs the package that fits, as an optional dependency.
 * @throws StoreError `no_embedded_server` where there is none.
 */
export function libraryPath(platform: string = process.platform, arch: string = process.arch): string {
  const machine = `${platform}-${arch}`
  const name = PACKAGES[machine]
  const remedy =
    'Set CLICKHOUSE_URL to a ClickHouse server of your own (for example http://user:password@127.0.0.1:8123).'
  if (name === undefined) {
    throw new StoreError('no_embedded_server', `There is no embedded ClickHouse for ${machine}. ${remedy}`)
  }
  try {
    const directory = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
    const file = readdirSync(directory).find((entry) => /^libchdb\.(so|dylib)$/.test(entry))
    if (file !== undefined) return join(directory, file)
  } catch {
    // Not installed: said below.
  }
  throw new StoreError(
    'no_embedded_server',
    `The embedded ClickHouse for ${machine} is not installed: npm should have installed the package ${name} ` +
      `(it needs glibc on Linux, and "npm install" without --omit=optional). ${remedy}`,
  )
}
