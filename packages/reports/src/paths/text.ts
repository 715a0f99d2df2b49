import {
  type Column,
  counted,
  fit,
  groupText,
  NO_CHAINS,
  PLAIN,
  percent,
  type Style,
  shortDuration,
  type TextOptions,
  table,
  whole,
  wrap,
} from '../terminal.ts'
import type { Ends, PathBranch, PathLink, PathsReport } from './shape.ts'

type Group = PathsReport['groups'][number]

/** For a terminal, less than the answer has: the rest is in JSON, and asked for with --limit there. */
const SHOWN = { links: 12, variants: 10, ends: 8 }
/** What the numbers beside a path take. */
const NUMBERS_WIDTH = 46

/** The commonest path of those who came and ended first, then the busiest links, whole paths, where they end, and the tree if one was asked for. */
export function pathsText(report: PathsReport, options: TextOptions = {}): string {
  const { style = PLAIN, width = 100 } = options
  if (report.totals.chains === 0) {
    return `${wrap(NO_CHAINS, width)}\n`
  }
  const { chains, ends } = report.totals
  const states = [
    `${whole(ends.broken)} broken`,
    `${whole(ends.converted)} converted`,
    `${whole(ends.open)} open`,
    ...(ends.ignored === 0 ? [] : [`${whole(ends.ignored)} ignored`]),
  ]
  const parts = [
    answer(report, width, style),
    wrap(`${counted(chains, 'chain')}: ${states.join(', ')}.`, width),
    ...report.groups.flatMap((group) => groupParts(group, report, width, style)),
    notes(report, width, style),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function answer(report: PathsReport, width: number, style: Style): string {
  const found = commonest(report)
  if (found === null) return ''
  const { group, variant } = found
  const { converted, broken } = variant.ends
  const bought =
    converted > 0 ? `${percent(converted, converted + broken)} of those that ended bought` : 'none of them has bought'
  const among = groupText(group.by) === '' ? '' : ` for ${groupText(group.by)}`
  const ways = group.variants.length + group.otherVariants.variants
  return wrap(
    `The commonest of ${counted(ways, 'path')}${among} is ${style.bold(pathText(variant.path, 60))}: ` +
      `${percent(variant.inChains, group.totals.chains)} of the chains; ${bought}.`,
    width,
  )
}

/** Messages that nobody answered are chains, often most of them, but nobody went that way. */
function commonest({ groups }: PathsReport): { group: Group; variant: Group['variants'][number] } | null {
  for (const group of groups) {
    const variant = group.variants.find(({ ends }) => ends.converted + ends.broken > 0)
    if (variant !== undefined) return { group, variant }
  }
  return null
}

function groupParts(group: Group, report: PathsReport, width: number, style: Style): string[] {
  const name = groupText(group.by)
  return [
    ...(name === '' ? [] : [style.bold(name)]),
    linksTable(group, width, style),
    variantsTable(group, width, style),
    endsTable(group, width, style),
    treeText(group, report, width, style),
  ]
}

function linksTable({ links, otherLinks }: Group, width: number, style: Style): string {
  if (links.length === 0) return ''
  const hidden = links.slice(SHOWN.links)
  const folded = otherLinks.links + hidden.length
  const rows: { label: string; occurrences: number; link: PathLink | null }[] = links
    .slice(0, SHOWN.links)
    .map((link) => ({ label: pathText([link.from, link.to], 40), occurrences: link.occurrences, link }))
  if (folded > 0) {
    const occurrences = hidden.reduce((sum, link) => sum + link.occurrences, otherLinks.occurrences)
    rows.push({ label: `other: ${counted(folded, 'link')}`, occurrences, link: null })
  }
  return table(
    [
      left('what follows what', rows, ({ label }) => label),
      right('times', rows, ({ occurrences }) => whole(occurrences)),
      right('chains', rows, ({ link }) => (link === null ? '' : whole(link.inChains))),
      right('of those there', rows, ({ link }) => (link === null ? '' : percent(link.closedChains, link.closedFrom))),
      right('time p50/p95', rows, ({ link }) => (link === null ? '' : durations(link.timeMs))),
    ],
    width,
    style,
  ).join('\n')
}

/** The paths last: they take what room there is. */
function variantsTable({ variants, otherVariants, totals }: Group, width: number, style: Style): string {
  const hidden = [...variants.slice(SHOWN.variants), otherVariants]
  const folded = otherVariants.variants + hidden.length - 1
  const rows = variants
    .slice(0, SHOWN.variants)
    .map(({ path, inChains, ends }) => ({ inChains, ends: [ends], label: pathText(path, width - NUMBERS_WIDTH) }))
  if (folded > 0) {
    const inChains = hidden.reduce((sum, one) => sum + one.inChains, 0)
    rows.push({ inChains, ends: hidden.map(({ ends }) => ends), label: `other: ${counted(folded, 'path')}` })
  }
  return table(
    [
      right('chains', rows, ({ inChains }) => whole(inChains)),
      right('share', rows, ({ inChains }) => percent(inChains, totals.chains)),
      right('open', rows, ({ ends }) => whole(sum(ends, 'open'))),
      ...(totals.ends.ignored === 0 ? [] : [right('ignored', rows, ({ ends }) => whole(sum(ends, 'ignored')))]),
      right('bought', rows, ({ ends }) => rateText(ends)),
      left('whole path', rows, ({ label }) => label),
    ],
    width,
    style,
  ).join('\n')
}

function endsTable({ nodes, otherNodes, totals }: Group, width: number, style: Style): string {
  const all = nodes
    .filter(({ ends }) => endCount([ends]) > 0)
    .sort((a, b) => endCount([b.ends]) - endCount([a.ends]) || (a.touchpoint < b.touchpoint ? -1 : 1))
  const hidden = [...all.slice(SHOWN.ends).map(({ ends }) => ends), otherNodes.ends]
  const rows = all.slice(0, SHOWN.ends).map(({ touchpoint, ends }) => ({ label: touchpoint, ends: [ends] }))
  if (endCount(hidden) > 0) rows.push({ label: 'elsewhere', ends: hidden })
  return table(
    [
      left('where they end', rows, ({ label }) => label),
      right('chains', rows, ({ ends }) => whole(endCount(ends))),
      right('share', rows, ({ ends }) => percent(endCount(ends), totals.chains)),
      right('bought', rows, ({ ends }) => whole(sum(ends, 'converted'))),
      right('open', rows, ({ ends }) => whole(sum(ends, 'open'))),
      ...(totals.ends.ignored === 0 ? [] : [right('ignored', rows, ({ ends }) => whole(sum(ends, 'ignored')))]),
      right('broke', rows, ({ ends }) => whole(sum(ends, 'broken'))),
      left('why', rows, ({ ends }) => whyText(ends)),
    ],
    width,
    style,
  ).join('\n')
}

function treeText({ tree }: Group, { after, before }: PathsReport, width: number, style: Style): string {
  if (tree === null) return ''
  const touchpoint = after ?? before ?? ''
  if (tree.inChains === 0) return `No chain here came to ${touchpoint}.`
  const root = { label: touchpoint, inChains: tree.inChains, ends: tree.ends }
  const rows: BranchRow[] = [root, ...branchRows(tree, before !== null, '')]
  return table(
    [
      right('chains', rows, ({ inChains }) => whole(inChains)),
      right('share', rows, ({ inChains }) => percent(inChains, tree.inChains)),
      right('bought', rows, ({ ends }) => (ends === null ? '' : rateText([ends]))),
      left(`what came ${after === null ? 'before' : 'after'} the first ${touchpoint}`, rows, ({ label }) =>
        fit(label, width - NUMBERS_WIDTH),
      ),
    ],
    width,
    style,
  ).join('\n')
}

interface BranchRow {
  readonly label: string
  readonly inChains: number
  readonly ends: Ends | null
}

/** What becomes of the chains of a branch, one line each, the commonest first; what has nothing more comes last. */
function branchRows(branch: PathBranch, backwards: boolean, indent: string): BranchRow[] {
  const stop = backwards ? '(begin here)' : '(end here)'
  const children: { label: string; inChains: number; branch: PathBranch | null }[] = [
    ...branch.branches.map((one) => ({ label: one.touchpoint, inChains: one.inChains, branch: one })),
    { label: stop, inChains: branch.endOfPath, branch: null },
    { label: '(other ways)', inChains: branch.other.inChains, branch: null },
  ].filter(({ inChains }) => inChains > 0)
  return children.flatMap(({ label, inChains, branch: one }, index) => {
    const last = index === children.length - 1
    const row = { label: `${indent}${last ? '└─ ' : '├─ '}${label}`, inChains, ends: one?.ends ?? null }
    // Where the tree ends for its depth alone, one more line would only repeat the number.
    const leaf = one === null || one.branches.length === 0
    return [row, ...(leaf ? [] : branchRows(one, backwards, `${indent}${last ? '   ' : '│  '}`))]
  })
}

function notes(report: PathsReport, width: number, style: Style): string {
  const path = commonest(report)?.variant.path
  const folded =
    report.fold === 'repeats' && report.groups.some(({ links }) => links.some(({ from, to }) => from === to))
  const words = [
    ...(folded
      ? ['In whole paths the same touchpoint several times in a row is one step (--fold none counts each).']
      : []),
    'A path ends at the place where the chain is or ended. "of those there": of the ended chains that were at the first, how many went on directly to the second. "bought": of the ended ones.',
    ...(path === undefined
      ? []
      : [
          `Go on: \`weaklink report paths --after ${path[0]}\`, or the chains themselves: \`weaklink report chains --variant '${path.join('>')}'\`.`,
        ]),
    report.asOf === null
      ? 'No clock has ticked yet: nothing has ended by silence.'
      : `As of ${report.asOf.slice(0, 16).replace('T', ' ')} UTC.`,
  ]
  return words.map((line) => style.dim(wrap(line, width))).join('\n')
}

/** `ad_view → call_wait ×2 → visit`; too long a path loses its middle. */
function pathText(path: readonly string[], width: number): string {
  const steps: { touchpoint: string; times: number }[] = []
  for (const touchpoint of path) {
    const last = steps.at(-1)
    if (path.length > 2 && last?.touchpoint === touchpoint) last.times += 1
    else steps.push({ touchpoint, times: 1 })
  }
  const words = steps.map(({ touchpoint, times }) => (times > 1 ? `${touchpoint} ×${times}` : touchpoint))
  for (let kept = words.length; kept >= 2; kept--) {
    const head = Math.ceil(kept / 2)
    const text = (kept === words.length ? words : [...words.slice(0, head), '…', ...words.slice(head - kept)]).join(
      ' → ',
    )
    if (fit(text, width) === text) return text
  }
  return fit(words.join(' → '), width)
}

function left<T>(title: string, rows: readonly T[], cell: (row: T) => string): Column {
  return { title, cells: rows.map(cell), align: 'left' }
}

function right<T>(title: string, rows: readonly T[], cell: (row: T) => string): Column {
  return { title, cells: rows.map(cell), align: 'right' }
}

function sum(all: readonly Ends[], end: 'converted' | 'broken' | 'open' | 'ignored'): number {
  return all.reduce((total, ends) => total + ends[end], 0)
}

function endCount(all: readonly Ends[]): number {
  return sum(all, 'converted') + sum(all, 'broken') + sum(all, 'open') + sum(all, 'ignored')
}

/** Of the ended ones that are a customer's: bought. */
function rateText(all: readonly Ends[]): string {
  return percent(sum(all, 'converted'), sum(all, 'converted') + sum(all, 'broken'))
}

/** The two commonest reasons. */
function whyText(all: readonly Ends[]): string {
  return (['refused', 'abandoned', 'dissatisfied', 'silence'] as const)
    .map((reason) => ({ reason, count: all.reduce((total, { reasons }) => total + reasons[reason], 0) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, 2)
    .map(({ reason, count }) => `${reason} ${percent(count, sum(all, 'broken'))}`)
    .join(', ')
}

function durations({ p50, p95 }: PathLink['timeMs']): string {
  return p50 === null || p95 === null ? '' : `${shortDuration(p50)}/${shortDuration(p95)}`
}
