import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputError, type ReadOptions, type RowBatch, readRows, sniff } from '../../src/input/index.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'weaklink-input-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

/** A named pipe, which another process fills once and closes. */
function pipe(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  execFileSync('mkfifo', [path])
  spawn('sh', ['-c', 'cat "$0" > "$1"', file(`content-of-${name}`, content), path], { stdio: 'ignore' })
  return path
}

interface Read {
  /** `line: row as JSON` or `line: reason`. */
  readonly lines: string[]
  readonly texts: string[]
  readonly last: RowBatch | undefined
  readonly error: InputError | undefined
}

async function read(path: string, options?: ReadOptions): Promise<Read> {
  const lines: string[] = []
  const texts: string[] = []
  let last: RowBatch | undefined
  try {
    for await (const batch of readRows(path, options)) {
      last = batch
      for (const result of batch.rows) {
        lines.push(`${result.line}: ${result.ok ? JSON.stringify(result.row) : result.rejection.reason}`)
        texts.push(result.text)
      }
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { lines, texts, last, error }
  }
  return { lines, texts, last, error: undefined }
}

const windows1251 = (text: string) =>
  Buffer.from(
    [...text].map((letter) => (letter >= 'А' && letter <= 'я' ? letter.charCodeAt(0) - 0x350 : letter.charCodeAt(0))),
  )

describe('JSON lines', () => {
  const table: [given: string, content: string, then: string[]][] = [
    ['two rows', '{"a":1}\n{"a":2}\n', ['1: {"a":1}', '2: {"a":2}']],
    ['no line feed at the end', '{"a":1}\n{"a":2}', ['1: {"a":1}', '2: {"a":2}']],
    ['Windows line ends', '{"a":1}\r\n{"a":2}\r\n', ['1: {"a":1}', '2: {"a":2}']],
    ['blank lines', '\n{"a":1}\n \n\n{"a":2}\n\n', ['2: {"a":1}', '5: {"a":2}']],
    ['a byte order mark', '\ufeff{"a":1}\n', ['1: {"a":1}']],
    ['a malformed line', '{"a":1}\n{"a":\n{"a":3}\n', ['1: {"a":1}', '2: malformed_json', '3: {"a":3}']],
    ['a last line that breaks off', '{"a":1}\n{"a":2', ['1: {"a":1}', '2: incomplete_line']],
    ['something else than objects', '5\n"x"\n', ['1: 5', '2: "x"']],
  ]
  it.each(table)('%s', async (given, content, then) => {
    const path = file(`${given}.jsonl`, content)
    expect(await read(path)).toMatchObject({ lines: then, error: undefined, last: { columns: null } })
    const gzipped = file(`${given}.ndjson.gz`, gzipSync(content))
    expect((await read(gzipped)).lines).toEqual(then)
  })

  it('bytes that are not UTF-8 cost only their line, and the remedy is named', async () => {
    const path = file(
      'bytes.jsonl',
      Buffer.concat([Buffer.from('{"a":1}\n{"a":"'), windows1251('Звонок'), Buffer.from('"}\n{"a":3}\n')]),
    )
    const { lines } = await read(path)
    expect(lines).toEqual(['1: {"a":1}', '2: invalid_encoding', '3: {"a":3}'])
    for await (const { rows } of readRows(path)) {
      expect(rows[1]).toMatchObject({ rejection: { expected: expect.stringContaining('encoding: windows-1251') } })
    }
    expect((await read(path, { encoding: 'windows-1251' })).lines[1]).toBe('2: {"a":"Звонок"}')
  })

  it('UTF-16 is known by its mark', async () => {
    const text = '\ufeff{"a":"é"}\n{"a":"电"}\n'
    const big = Buffer.from(text, 'utf16le').swap16()
    expect((await read(file('le.jsonl', Buffer.from(text, 'utf16le')))).lines).toEqual([
      '1: {"a":"é"}',
      '2: {"a":"电"}',
    ])
    expect((await read(file('be.jsonl', big))).lines).toEqual(['1: {"a":"é"}', '2: {"a":"电"}'])
  })

  it('a line over 1 MB is rejected with its beginning, wherever it stands', async () => {
    const long = `{"a":"${'x'.repeat(3_000_000)}"}`
    const middle = await read(file('long.jsonl', `{"a":1}\n${long}\n{"a":3}\n`))
    expect(middle.lines).toEqual(['1: {"a":1}', '2: line_too_long', '3: {"a":3}'])
    expect(middle.texts[1]!.length).toBeLessThan(2000)
    const last = await read(file('long-last.jsonl', `{"a":1}\n${long}`))
    expect(last.lines).toEqual(['1: {"a":1}', '2: line_too_long'])
    const barely = `{"a":"${'x'.repeat(1024 * 1024)}"}`
    const two = await read(file('barely.jsonl', `${barely}\n${barely}\n{"a":3}\n`))
    expect(two.lines).toEqual(['1: line_too_long', '2: line_too_long', '3: {"a":3}'])
  })

  it('many rows, however they fall into chunks', async () => {
    const content = Array.from({ length: 30_000 }, (_, index) => `{"n":${index},"t":"${'é'.repeat(index % 50)}"}`)
    const { lines, last } = await read(file('many.jsonl.gz', gzipSync(content.join('\n'))))
    expect(lines).toEqual(content.map((text, index) => `${index + 1}: ${text}`))
    expect(last!.bytesRead).toBe(last!.bytesTotal)
  })
})

describe('one JSON array', () => {
  it('gives its elements as rows', async () => {
    const path = file('array.json', '\n[ {"a":1},\n {"a":"x\\ny"} ]\n')
    expect((await read(path)).lines).toEqual(['1: {"a":1}', '2: {"a":"x\\ny"}'])
  })
  it('that is damaged is an error of the file', async () => {
    expect((await read(file('damaged.json', '[ {"a":1},'))).error).toMatchObject({ code: 'malformed_json' })
  })
  it('or JSON lines under the same name', async () => {
    expect((await read(file('lines.json', '{"a":1}\n{"a":2}\n'))).lines).toHaveLength(2)
  })
})

describe('CSV', () => {
  const table: [given: string, content: string, then: string[]][] = [
    ['commas', 'a,b\n1,2\n', ['2: {"a":"1","b":"2"}']],
    ['semicolons with decimal commas', 'a;b\n1,5;2\n', ['2: {"a":"1,5","b":"2"}']],
    ['tabs', 'a\tb\n1\t2\n', ['2: {"a":"1","b":"2"}']],
    ['bars', 'a|b\n1|2\n', ['2: {"a":"1","b":"2"}']],
    ['one column', 'a\n1\n', ['2: {"a":"1"}']],
    ['commas within a quoted header', '"a;x",b\n1,2\n', ['2: {"a;x":"1","b":"2"}']],
    ['a byte order mark, spaces around names, Windows line ends', '\ufeff a , b\r\n1,2\r\n', ['2: {"a":"1","b":"2"}']],
    ['a line for Excel', 'sep=|\na|b;c\n1|2\n', ['3: {"a":"1","b;c":"2"}']],
    ['quotes', 'a,b\n"1,5","say ""hi"""\n', ['2: {"a":"1,5","b":"say \\"hi\\""}']],
    ['line feeds within quotes', 'a,b\n"x\n\ny",1\n2,3\n', ['2: {"a":"x\\n\\ny","b":"1"}', '5: {"a":"2","b":"3"}']],
    ['a header over two lines', '"a\nx",b\n1,2\n', ['3: {"a\\nx":"1","b":"2"}']],
    ['blank lines', '\na,b\n\n1,2\n\n3,4', ['4: {"a":"1","b":"2"}', '6: {"a":"3","b":"4"}']],
    ['a column without a name', ',b,\n0,x,\n', ['2: {"b":"x"}']],
    ['only a header', 'a,b\n', []],
    [
      'too few and too many columns',
      'a,b\n1\n1,2\n1,2,3\n',
      ['2: wrong_column_count', '3: {"a":"1","b":"2"}', '4: wrong_column_count'],
    ],
    ['a stray quote', 'a,b\n1,x"y\n3,4\n', ['2: malformed_csv', '3: {"a":"3","b":"4"}']],
    [
      'a stray quote, and quotes after it',
      'a,b\n1,x"y\n3,"4"\n"5",6\n',
      ['2: malformed_csv', '3: {"a":"3","b":"4"}', '4: {"a":"5","b":"6"}'],
    ],
    ['text after a closing quote', 'a,b\n"1"x,2\n3,4\n', ['2: malformed_csv', '3: {"a":"3","b":"4"}']],
    [
      'an unclosed quote',
      'a,b\n1,"x\n3,4\n5,6\n',
      ['2: unclosed_quote', '3: {"a":"3","b":"4"}', '4: {"a":"5","b":"6"}'],
    ],
    [
      'an unclosed quote, and quotes after it',
      'a,b\n1,"x\n3,"4"\n5,6\n',
      ['2: unclosed_quote', '3: {"a":"3","b":"4"}', '4: {"a":"5","b":"6"}'],
    ],
    ['an unclosed quote in the last line', 'a,b\n1,2\n3,"x', ['2: {"a":"1","b":"2"}', '3: unclosed_quote']],
    [
      'two faults in a row',
      'a,b\n1,"x\n2,"y\n3,4\n',
      ['2: unclosed_quote', '3: unclosed_quote', '4: {"a":"3","b":"4"}'],
    ],
  ]
  it.each(table)('%s', async (given, content, then) => {
    expect(await read(file(`${given}.csv`, content))).toMatchObject({ lines: then, error: undefined })
  })

  it('its columns are known with the first batch, even without rows', async () => {
    expect((await read(file('header.csv', 'a;b'))).last).toMatchObject({
      columns: ['a', 'b'],
      delimiter: ';',
      rows: [],
    })
  })

  it('keeps the text of each row for the file of rejected lines', async () => {
    expect((await read(file('texts.csv', 'a,b\r\n"x\r\ny",1\r\n1,2,3\r\n'))).texts).toEqual(['"x\ny",1', '1,2,3'])
  })

  it('takes delimiter and encoding from the mapping', async () => {
    const path = file('crm.csv', windows1251('Этап;Сумма\nЗакрыто и не реализовано;1,5\n'))
    expect((await read(path, { delimiter: ';', encoding: 'windows-1251' })).lines).toEqual([
      '2: {"Этап":"Закрыто и не реализовано","Сумма":"1,5"}',
    ])
    expect(await read(path)).toMatchObject({ lines: [], error: { code: 'bad_header', line: 1 } })
    expect((await read(path)).error?.message).toContain('file: { encoding: windows-1251 }')
  })

  it('an unclosed quote does not swallow the rest of a large file', async () => {
    const rows = Array.from({ length: 120_000 }, (_, index) => `${index},some text to fill the row`)
    rows[5] = '5,"some text'
    const { lines } = await read(file('large.csv', `a,b\n${rows.join('\n')}\n`))
    expect(lines).toHaveLength(120_000)
    expect(lines.filter((line) => line.endsWith('unclosed_quote'))).toEqual(['7: unclosed_quote'])
  })

  it('any table comes back as it was written', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'é', ' ', ',', ';', '"', '\n', '电'), maxLength: 6 })
    const quoted = (text: string) => (/[",\n;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
    let count = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell, fc.constant('z')), { maxLength: 250 }), async (rows) => {
        const content = rows.map((cells) => `${cells.map(quoted).join(',')}\n`).join('')
        const { lines } = await read(file(`table${count++}.csv`, `a,b,c\n${content}`), { delimiter: ',' })
        const expected = rows.map(([a, b, c]) => JSON.stringify({ a, b, c }))
        expect(lines.map((line) => line.slice(line.indexOf(' ') + 1))).toEqual(expected)
      }),
      { numRuns: 30 },
    )
  })

  it('whatever is broken, no good line is lost and none is invented', async () => {
    const good = fc.nat().map((n) => ({ text: `${n},"v ${n}",x`, good: true }))
    const bad = fc
      .constantFrom('1,"v,x', '2,v"v,x', '3,"v"v,x', '"4', '5', '6,7,8,9')
      .map((text) => ({ text, good: false }))
    let count = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof({ weight: 5, arbitrary: good }, bad), { maxLength: 300 }), async (rows) => {
        const { lines } = await read(
          file(`broken${count++}.csv`, `a,b,c\n${rows.map(({ text }) => `${text}\n`).join('')}`),
        )
        expect(lines).toHaveLength(rows.length)
        expect(lines.map((line) => line.includes('{'))).toEqual(rows.map((row) => row.good))
      }),
      { numRuns: 30 },
    )
  })
})

describe('a file that cannot be read', () => {
  const table: [given: string, path: () => string, then: object][] = [
    [
      'that is not there',
      () => join(directory, 'none.csv'),
      { code: 'not_found', message: expect.stringContaining('there is no such file') },
    ],
    ['a directory', () => `${directory}`, { code: 'is_directory' }],
    ['empty', () => file('empty.csv', ''), { code: 'empty_file' }],
    ['only a mark', () => file('mark.csv', '\ufeff'), { code: 'empty_file' }],
    ['only blank lines', () => file('blank.jsonl', '\n\n'), { code: 'empty_file' }],
    ['gzipped by name only', () => file('plain.csv.gz', 'a,b\n'), { code: 'corrupt_gzip' }],
    ['old line ends', () => file('mac.csv', 'a,b\r1,2\r'), { code: 'bad_line_ends' }],
    [
      'two columns of one name',
      () => file('twice.csv', 'a,a\n1,2\n'),
      { code: 'bad_header', line: 1, message: expect.stringContaining('two columns are named a') },
    ],
    ['a header with a stray quote', () => file('header-quote.csv', 'a"x,b\n1,2\n'), { code: 'bad_header' }],
  ]
  it.each(table)('%s', async (_given, path, then) => {
    expect((await read(path(), { format: path().includes('jsonl') ? 'jsonl' : 'csv' })).error).toMatchObject(then)
  })

  it('without a telling name', async () => {
    expect((await read(file('data.txt', 'a,b\n'))).error).toMatchObject({ code: 'unknown_format' })
    expect((await read(file('data.txt', 'a,b\n1,2\n'), { format: 'csv' })).lines).toHaveLength(1)
  })

  it('in an unknown encoding', async () => {
    expect((await read(file('e.csv', 'a,b\n'), { encoding: 'klingon' })).error).toMatchObject({
      code: 'unknown_encoding',
    })
  })

  it('without permission', async () => {
    const path = file('secret.csv', 'a,b\n')
    chmodSync(path, 0)
    // Root may read everything: be nobody for a moment.
    const root = process.geteuid?.() === 0
    if (root) process.seteuid?.(65534)
    try {
      expect((await read(path)).error).toMatchObject({ code: 'no_permission' })
    } finally {
      if (root) process.seteuid?.(0)
    }
  })
})

describe('a damaged .gz gives all complete lines before the damage', () => {
  const rows = Array.from({ length: 20_000 }, (_, index) =>
    JSON.stringify({ n: index, t: `text ${(index * 7919) % 1000}` }),
  )
  const whole = gzipSync(`${rows.join('\n')}\n`)

  it('cut off', async () => {
    for (const part of [0.3, 0.7, 0.999]) {
      const { lines, error } = await read(file('cut.jsonl.gz', whole.subarray(0, whole.length * part)))
      expect(error).toMatchObject({ code: 'truncated_gzip', line: lines.length + 1 })
      expect(lines.length / rows.length).toBeGreaterThan(part - 0.1)
      expect(lines).toEqual(rows.slice(0, lines.length).map((text, index) => `${index + 1}: ${text}`))
    }
  })

  it('cut off within its last bytes: every line', async () => {
    const { lines, error } = await read(file('trailer.jsonl.gz', whole.subarray(0, -4)))
    expect(lines).toHaveLength(rows.length)
    expect(error).toMatchObject({ code: 'truncated_gzip' })
  })

  it('with a wrong checksum, even where it is small', async () => {
    const damaged = gzipSync('{"a":1}\n{"a":2}\n')
    damaged.writeUInt32LE(1, damaged.length - 8)
    const { lines, error } = await read(file('sum.jsonl.gz', damaged))
    expect(lines).toEqual(['1: {"a":1}', '2: {"a":2}'])
    expect(error).toMatchObject({ code: 'corrupt_gzip', line: 3 })
  })

  it('overwritten in the middle', async () => {
    const damaged = Buffer.from(whole)
    const middle = Math.floor(damaged.length / 2)
    damaged.fill(0xff, middle, middle + 200)
    const { lines, error } = await read(file('middle.jsonl.gz', damaged))
    expect(error).toMatchObject({ code: 'corrupt_gzip' })
    expect(lines.length).toBeGreaterThan(rows.length * 0.4)
    expect(lines.slice(0, 8000)).toEqual(rows.slice(0, 8000).map((text, index) => `${index + 1}: ${text}`))
  })

  it('a CSV too, with what waited for a closing quote', async () => {
    const content = `n,t\n0,"open\n${rows.map((_, index) => `${index},text ${(index * 7919) % 1000}`).join('\n')}\n`
    const packed = gzipSync(content)
    const { lines, error } = await read(file('cut.csv.gz', packed.subarray(0, packed.length / 4)))
    expect(error).toMatchObject({ code: 'truncated_gzip' })
    expect(lines[0]).toBe('2: unclosed_quote')
    expect(lines[1]).toBe('3: {"n":"0","t":"text 0"}')
    expect(lines.length).toBeGreaterThan(2000)
  })

  it('several packed files in a row are one', async () => {
    const path = file('two.jsonl.gz', Buffer.concat([gzipSync('{"a":1}\n'), gzipSync('{"a":2}\n')]))
    expect((await read(path)).lines).toHaveLength(2)
  })
})

describe('a named pipe', () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `{"n":${index}}`)
  const rows = lines.map((text, index) => `${index + 1}: ${text}`)

  it('is read once, to its end; its size is not known', async () => {
    const { last, ...found } = await read(pipe('pipe.jsonl', `${lines.join('\n')}\n`))
    expect(found).toMatchObject({ lines: rows, error: undefined })
    expect(last).toMatchObject({ bytesTotal: 0 })
  })

  it('short enough for its writer to be gone at once', async () => {
    expect((await read(pipe('short.csv', 'a,b\n1,2\n'))).lines).toEqual(['2: {"a":"1","b":"2"}'])
  })

  it('packed, as its name says', async () => {
    expect((await read(pipe('pipe.jsonl.gz', gzipSync(lines.join('\n'))))).lines).toEqual(rows)
  })

  it('damaged, gives what could be unpacked, and the error', async () => {
    const damaged = Buffer.concat([gzipSync('{"a":1}\n'), Buffer.from([0x1f, 0x8b, 9, 9, 9, 9])])
    expect((await read(pipe('damaged.jsonl.gz', damaged))).error).toMatchObject({ code: 'corrupt_gzip' })
  })

  it('with nothing in it', async () => {
    expect((await read(pipe('nothing.csv', ''))).error).toMatchObject({ code: 'empty_file' })
    expect((await read(pipe('nothing.jsonl', ''))).error).toMatchObject({ code: 'empty_file' })
  })

  it('that is looked at shows its first rows all the same', async () => {
    const sniffed = await sniff(pipe('sniffed.csv', windows1251('Этап;Дата\nЗвонок;01.05.2024\n')))
    expect(sniffed).toMatchObject({ encoding: 'windows-1251', columns: ['Этап', 'Дата'] })
    expect(sniffed.rows).toHaveLength(1)
  })
})

describe('sniff', () => {
  it('tells columns, delimiter, encoding and the first rows', async () => {
    const path = file('sniff.csv', windows1251(`Этап;Дата\n${'Первичный контакт;01.05.2024\n'.repeat(50)}`))
    const sniffed = await sniff(path, 10)
    expect(sniffed).toMatchObject({
      format: 'csv',
      columns: ['Этап', 'Дата'],
      delimiter: ';',
      encoding: 'windows-1251',
    })
    expect(sniffed.rows).toHaveLength(10)
  })

  const encodings: [given: string, content: Buffer, then: string][] = [
    ['ASCII', Buffer.from('a,b\n1,2\n'), 'utf-8'],
    ['UTF-8', Buffer.from('этап,b\n1,2\n'), 'utf-8'],
    ['accents in one byte', Buffer.from('prénom,âge\nAndré,2\nZoé,3\n', 'latin1'), 'windows-1252'],
    ['UTF-16', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'utf-16le'],
  ]
  it.each(encodings)('%s', async (given, content, then) => {
    expect(await sniff(file(`${given}.csv`, content))).toMatchObject({ encoding: then, delimiter: ',' })
  })

  it('the keys of JSON lines', async () => {
    expect(await sniff(file('keys.jsonl', '{"a":1}\n{"b":2,"a":3}\n'))).toMatchObject({
      columns: ['a', 'b'],
      delimiter: null,
    })
  })
})
