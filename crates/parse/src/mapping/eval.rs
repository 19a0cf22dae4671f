//! Running a mapping over a chunk of records, column by column.
//!
//! Memory: a chunk is at most [`CHUNK_ROWS`] records, and what expressions write anew is bounded
//! for each record by its [`share`], so that results do not depend on how input is cut.

use super::cell::{Cell, Home, Span, Texts};
use super::functions::{Made, Out, Prepared, Row, RowFn, casts};
use super::target::Kind;
use super::{Mapping, Node, Zone};
use crate::zone::LocalZone;
use haetae_event::Micros;

/// Most records of a chunk.
pub const CHUNK_ROWS: usize = 512;
/// Rows of a column stand this far apart: not a power of two, so that the cells of one record do
/// not all fall into the same set of the cache.
const STRIDE: usize = CHUNK_ROWS + 4;
/// Warning of a record whose derived texts would be longer than its share.
pub const VALUE_TOO_LONG: &str = "value_too_long";

/// Bytes that expressions may write for a record of `bytes`: several copies of it, and room for
/// constants beside a short one.
pub fn share(bytes: usize) -> usize {
    4096 + 8 * bytes
}

/// The cells of a chunk's paths.
pub struct Table {
    cells: Vec<Cell>,
    paths: usize,
    rows: usize,
}

impl Table {
    pub fn new(paths: usize) -> Table {
        Table {
            cells: vec![Cell::Missing; paths * STRIDE],
            paths,
            rows: 0,
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Begins a record, everything missing.
    pub fn add_row(&mut self) -> usize {
        let row = self.rows;
        self.rows += 1;
        for path in 0..self.paths {
            self.cells[path * STRIDE + row] = Cell::Missing;
        }
        row
    }

    /// Takes the last record back.
    pub fn drop_row(&mut self) {
        self.rows -= 1;
    }

    pub fn clear(&mut self) {
        self.rows = 0;
    }

    #[inline]
    pub fn set(&mut self, path: u16, row: usize, cell: Cell) {
        self.cells[usize::from(path) * STRIDE + row] = cell;
    }

    #[inline]
    pub fn column(&self, path: u16) -> &[Cell] {
        let start = usize::from(path) * STRIDE;
        &self.cells[start..start + self.rows]
    }
}

/// A finished column.
enum Final {
    /// As a path gave it.
    Path(u16),
    Cells(Vec<Cell>),
}

/// What stays the same while one expression runs.
struct Context<'a> {
    mapping: &'a Mapping,
    table: &'a Table,
    block: &'a str,
    extracted: &'a str,
    finals: &'a [Final],
    shares: &'a [usize],
    arrival: Micros,
    cast_failed: &'static str,
}

/// The memory that evaluation works in; one for each parser.
pub struct Machine {
    /// Texts written for the chunk.
    pub arena: String,
    /// (row, code), unordered.
    pub warnings: Vec<(u32, &'static str)>,
    out: Out,
    zones: Vec<Zone>,
    finals: Vec<Final>,
    spare: Vec<Vec<Cell>>,
    /// Bytes written for each record.
    spent: Vec<usize>,
    all_rows: Vec<u32>,
}

impl Machine {
    /// `local` is the input's zone, for times without an offset, unless the definition has its own.
    pub fn new(mapping: &Mapping, local: Option<&LocalZone>) -> Machine {
        let mut zones = mapping.zones.clone();
        if let (false, Some(local), Some(default)) = (mapping.zone_given, local, zones.first_mut()) {
            *default = Zone::from(local.clone());
        }
        Machine {
            arena: String::new(),
            warnings: Vec::new(),
            out: Out {
                text: String::new(),
                limit: 0,
            },
            zones,
            finals: Vec::new(),
            spare: Vec::new(),
            spent: Vec::new(),
            all_rows: (0..CHUNK_ROWS as u32).collect(),
        }
    }

    /// Forgets the chunk.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.warnings.clear();
    }

    pub fn texts<'a>(&'a self, mapping: &'a Mapping, block: &'a str, extracted: &'a str) -> Texts<'a> {
        Texts {
            block,
            arena: &self.arena,
            literals: &mapping.literals,
            extracted,
        }
    }

    /// The value of a target, by its place, in a record, after [`Machine::run`].
    #[inline]
    pub fn cell(&self, table: &Table, target: usize, row: usize) -> Cell {
        match &self.finals[target] {
            Final::Path(path) => table.column(*path)[row],
            Final::Cells(cells) => cells[row],
        }
    }

    /// Makes every column of the chunk. `shares` holds what each record may write.
    pub fn run(
        &mut self,
        mapping: &Mapping,
        table: &Table,
        block: &str,
        extracted: &str,
        shares: &[usize],
        arrival: Micros,
    ) {
        let mut finals = std::mem::take(&mut self.finals);
        for done in finals.drain(..) {
            if let Final::Cells(cells) = done {
                self.spare.push(cells);
            }
        }
        self.spent.clear();
        self.spent.resize(table.rows(), 0);
        let all_rows = std::mem::take(&mut self.all_rows);
        let rows = &all_rows[..table.rows()];
        for target in &mapping.targets {
            if let (Node::Path(path), Kind::Text) = (&target.node, target.column.kind) {
                finals.push(Final::Path(*path));
                continue;
            }
            let context = Context {
                mapping,
                table,
                block,
                extracted,
                finals: &finals,
                shares,
                arrival,
                cast_failed: target.cast_failed,
            };
            let mut cells = self.buffer(table.rows());
            self.eval(&context, &target.node, rows, &mut cells);
            self.cast(&context, target.column.kind, &mut cells);
            finals.push(Final::Cells(cells));
        }
        self.all_rows = all_rows;
        self.finals = finals;
    }

    fn buffer(&mut self, rows: usize) -> Vec<Cell> {
        let mut cells = self.spare.pop().unwrap_or_default();
        cells.clear();
        cells.resize(rows, Cell::Missing);
        cells
    }

    /// Fills `out` at `rows`, which are missing so far.
    fn eval(&mut self, cx: &Context<'_>, node: &Node, rows: &[u32], out: &mut [Cell]) {
        match node {
            Node::Const(cell) => rows.iter().for_each(|&row| out[row as usize] = *cell),
            Node::Path(path) => {
                let column = cx.table.column(*path);
                rows.iter()
                    .for_each(|&row| out[row as usize] = column[row as usize]);
            }
            Node::Paths(paths) => {
                for path in paths {
                    let column = cx.table.column(*path);
                    for &row in rows {
                        let cell = &mut out[row as usize];
                        if *cell == Cell::Missing {
                            *cell = column[row as usize];
                        }
                    }
                }
            }
            Node::Column(place) => match &cx.finals[usize::from(*place)] {
                Final::Path(path) => self.eval(cx, &Node::Path(*path), rows, out),
                Final::Cells(cells) => rows
                    .iter()
                    .for_each(|&row| out[row as usize] = cells[row as usize]),
            },
            Node::First(choices) => {
                let mut open = rows.to_vec();
                for choice in choices {
                    self.eval(cx, choice, &open, out);
                    open.retain(|&row| out[row as usize] == Cell::Missing);
                }
            }
            Node::If(parts) => self.eval_if(cx, parts, rows, out),
            Node::Call { run, args, prepared } => self.eval_call(cx, (*run, prepared), args, rows, out),
        }
    }

    fn eval_if(&mut self, cx: &Context<'_>, parts: &[Node; 3], rows: &[u32], out: &mut [Cell]) {
        let [condition, value, other] = parts;
        let mut cells = self.buffer(out.len());
        self.eval(cx, condition, rows, &mut cells);
        let texts = self.texts(cx.mapping, cx.block, cx.extracted);
        let (yes, no): (Vec<u32>, Vec<u32>) = rows
            .iter()
            .partition(|&&row| super::cell::boolean(&texts, cells[row as usize]) == Some(true));
        self.spare.push(cells);
        self.eval(cx, value, &yes, out);
        self.eval(cx, other, &no, out);
    }

    fn eval_call(
        &mut self,
        cx: &Context<'_>,
        call: (RowFn, &Prepared),
        args: &[Node],
        rows: &[u32],
        out: &mut [Cell],
    ) {
        let mut columns: Vec<Vec<Cell>> = Vec::with_capacity(args.len());
        for arg in args {
            let mut cells = self.buffer(out.len());
            self.eval(cx, arg, rows, &mut cells);
            columns.push(cells);
        }
        let mut values: Vec<Cell> = vec![Cell::Missing; args.len()];
        for &row in rows {
            let row = row as usize;
            for (value, column) in values.iter_mut().zip(&columns) {
                *value = column[row];
            }
            out[row] = self.call(cx, call, &values, row);
        }
        self.spare.append(&mut columns);
    }

    fn call(
        &mut self,
        cx: &Context<'_>,
        (run, prepared): (RowFn, &Prepared),
        args: &[Cell],
        row: usize,
    ) -> Cell {
        self.out.text.clear();
        self.out.limit = cx.shares[row].saturating_sub(self.spent[row]);
        let made = run(
            &mut Row {
                texts: Texts {
                    block: cx.block,
                    arena: &self.arena,
                    literals: &cx.mapping.literals,
                    extracted: cx.extracted,
                },
                out: &mut self.out,
                prepared,
                arrival: cx.arrival,
                zones: &mut self.zones,
            },
            args,
        );
        match made {
            Made::Cell(cell) => cell,
            Made::Text if self.out.text.is_empty() => Cell::Missing,
            Made::Text => {
                let start = self.arena.len();
                self.arena.push_str(&self.out.text);
                self.spent[row] += self.out.text.len();
                Cell::Text(Span::new(Home::Arena, start..self.arena.len()))
            }
            Made::Failed => {
                self.warnings.push((row as u32, cx.cast_failed));
                Cell::Missing
            }
            Made::TooLong => {
                self.warnings.push((row as u32, VALUE_TOO_LONG));
                Cell::Missing
            }
        }
    }

    /// Makes every cell what the column takes.
    fn cast(&mut self, cx: &Context<'_>, kind: Kind, cells: &mut [Cell]) {
        let run: RowFn = match kind {
            Kind::Text => return,
            Kind::Ts => casts::time,
            Kind::Ip => casts::ip,
            Kind::I32 | Kind::I64 => casts::int,
            Kind::F64 => casts::float,
            Kind::Bool => casts::boolean,
        };
        let prepared = match kind {
            Kind::Ts => Prepared::Time(None, 0),
            _ => Prepared::Nothing,
        };
        for (row, cell) in cells.iter_mut().enumerate() {
            if *cell == Cell::Missing {
                continue;
            }
            *cell = self.call(cx, (run, &prepared), &[*cell], row);
            if let (Kind::I32, Cell::Int(number)) = (kind, *cell)
                && i32::try_from(number).is_err()
            {
                self.warnings.push((row as u32, cx.cast_failed));
                *cell = Cell::Missing;
            }
        }
    }
}
