import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { crmExport, encodeAs, runInit, temporary } from './samples.ts'

// The command as a user calls it.

const file = temporary('my crm.csv', encodeAs('windows-1251', crmExport(40)))
const empty = () => mkdtempSync(join(file, '..', 'cwd-'))

describe('weaklink init', () => {
  it('writes both files where the user is, and says how to go on', () => {
    const cwd = empty()
    const { status, stdout } = runInit([file], cwd)
    expect(status).toBe(0)
    expect(readdirSync(cwd).sort()).toEqual(['mapping.yaml', 'touchpoints.yaml'])
    expect(stdout).toContain(`weaklink import '${file}' --mapping mapping.yaml --catalogue touchpoints.yaml --dry-run`)
    expect(stdout).toContain('{Телефон:e164|Клиент}')
    expect(stdout).toMatch(/Договор подписан .* bought/)
  })

  it('writes elsewhere with --output-dir, which it makes', () => {
    const cwd = empty()
    expect(runInit([file, '--output-dir', 'a/b'], cwd).stdout).toContain('--mapping a/b/mapping.yaml')
    expect(readdirSync(join(cwd, 'a/b'))).toHaveLength(2)
  })

  it('names the data directory in every command where the user chose one', () => {
    const commands = (args: readonly string[], options = {}): string[] =>
      JSON.parse(runInit([file, '--json', ...args], empty(), options).stdout).next
    const carried = (dataDir: string) => Array(3).fill(expect.stringMatching(new RegExp(` --data-dir ${dataDir}$`)))
    expect(commands(['--data-dir', 'my data'])).toEqual(carried("'my data'"))
    expect(commands([], { dataDir: 'from/env' })).toEqual(carried('from/env'))
    expect(commands([]).join()).not.toContain('--data-dir')
  })

  it('says from when to when the rows are, and what must be right before the first import', () => {
    const { stdout } = runInit([file], empty())
    expect(stdout).toMatch(/^ {2}from 2024-03-\d\d to 2024-0\d-\d\d$/m)
    expect(stdout).toContain(
      'Get the time zone right before the first import: importing the same file again under another mapping is refused',
    )
  })

  it('overwrites nothing without --force', () => {
    const cwd = empty()
    writeFileSync(join(cwd, 'touchpoints.yaml'), 'mine')
    const refused = runInit([file], cwd)
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('touchpoints.yaml is there already') })
    expect(readdirSync(cwd)).toEqual(['touchpoints.yaml'])
    expect(runInit([file, '--force'], cwd).status).toBe(0)
    expect(readFileSync(join(cwd, 'touchpoints.yaml'), 'utf8')).toContain('touchpoints:')
  })

  it('gives one document with --json', () => {
    const { stdout } = runInit([file, '--json'], empty())
    expect(JSON.parse(stdout)).toMatchObject({
      mapping: { touchpoint: '{Этап}', at: '{Дата}', time: { format: 'dd.MM.yyyy HH:mm', zone: 'UTC' } },
      catalogue: { defaults: { patience: expect.any(String) } },
      guesses: { people: 40, rejected: 0, time: { from: expect.stringMatching(/^2024-03-.*Z$/) } },
      warnings: expect.arrayContaining([expect.stringContaining('zone')]),
    })
  })

  it('says what is wrong with a file that it cannot use', () => {
    const cwd = empty()
    mkdirSync(join(cwd, 'folder.csv'))
    expect(runInit(['missing.csv'], cwd).stderr).toContain('InputError: missing.csv: there is no such file')
    expect(runInit(['folder.csv'], cwd).stderr).toContain('it is a directory')
    writeFileSync(join(cwd, 'no-time.csv'), 'name;city\nAnna;Berlin\n')
    expect(runInit(['no-time.csv'], cwd)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('says when something happened. Columns: name, city'),
    })
    writeFileSync(join(cwd, 'header-only.csv'), 'user_id,event,at\n')
    expect(runInit(['header-only.csv'], cwd)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('none of its rows can be read'),
    })
    expect(readdirSync(cwd)).not.toContain('mapping.yaml')
  })
})
