// Installs what package-lock.json names, once for each state of that file. Runs on any Node ≥ 20: the Node 24 that the
// project itself runs on comes with the packages. Not `npm ci`: that refuses a lock file that does not list the optional
// binaries of every platform, and the one here lists those that could be had where it was written.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = `${root}node_modules/.weaklink-setup`
const wanted = createHash('sha256')
  .update(readFileSync(`${root}package-lock.json`))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  process.stderr.write('Installing packages (once; about half a minute) …\n')
  const npm = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (npm.status !== 0) {
    process.stderr.write('npm install failed: see the lines above; then run the same command again\n')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}
