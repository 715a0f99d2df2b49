import pc from 'picocolors'
import { expect, it } from 'vitest'
import { withoutCommands } from '../src/terminal.ts'

it('what comes from outside gives a terminal no commands', () => {
  expect(withoutCommands('\u001b[2J\u001b]0;title\u0007id\u202e\r')).toBe('\ufffd[2J\ufffd]0;title\ufffdid\ufffd\ufffd')
  expect(withoutCommands('\u001b[8mhidden\u001b[38;5;1m')).toBe('\ufffd[8mhidden\ufffd[38;5;1m')
})

it('our own marks, line ends and other letters stay', () => {
  const { bold, dim, red, green, yellow } = pc.createColors(true)
  const ours = `${bold('a')}${dim('b')}${red('c')}\n\t${green('Анна 電話')}${yellow('é😀')}`
  expect(withoutCommands(ours)).toBe(ours)
})
