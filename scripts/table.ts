import { styleText } from 'node:util'

/** Lines of a table with aligned columns; cells must not contain styles. */
export function tableLines(
  header: readonly string[],
  body: readonly (readonly string[])[],
): readonly string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...body.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [styleText('bold', line(header)), ...body.map(line)]
}

/** Figures stand at the right, words at the left. */
function pad(cell: string, width: number): string {
  return /^-?[\d.]+$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
}

/** A hash or id short enough for a line. */
export function short(text: string, ends = 6): string {
  return text.length <= ends * 2 + 3 ? text : `${text.slice(0, ends + 2)}…${text.slice(-ends)}`
}
