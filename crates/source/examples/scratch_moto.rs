use haetae_event::{SystemClock, commit::PositionRow};
use haetae_source::s3::*; use haetae_source::*;
use std::{collections::HashMap, io::Read, sync::{Arc, Mutex}, time::Duration};
#[derive(Default)] struct L(Mutex<HashMap<String,String>>);
impl Ledger for L {
 fn positions(&self,_:&str,k:&[String])->Result<Vec<Option<String>>,LedgerError>{let m=self.0.lock().unwrap();Ok(k.iter().map(|k|m.get(k).cloned()).collect())}
 fn all(&self,_:&str)->Result<Vec<(String,String)>,LedgerError>{Ok(vec![])}}
fn main(){
 let endpoint=std::env::args().nth(1).unwrap();
 for i in list_blocking(&S3Config{bucket:"logs".into(),prefix:"cf/".into(),endpoint:Some(endpoint.clone()),..Default::default()}).unwrap(){let mut v=vec![];i.open().unwrap().read_to_end(&mut v).unwrap();println!("{} {} {}",i.name(),i.size(),v.len());}
 let l=Arc::new(L::default());
 for round in 0..2 { for b in ["logs","nope"] {
 let t=std::time::Instant::now();
 let mut s=S3Source::new(S3Config{bucket:b.into(),prefix:"cf/".into(),endpoint:Some(endpoint.clone()),after_commit:AfterCommit::Archive,archive_prefix:Some("done/".into()),..Default::default()});
 let c=s.cleaner().unwrap();
 let stop=StopFlag::default(); let(out,inbox)=channel(stop.clone());
 let cx=SourceContext{out,stop,ledger:l.clone(),clock:Arc::new(SystemClock),once:true};
 let h=std::thread::spawn(move||{s.run(&cx)});
 let mut rows=vec![];
 while let Ok(m)=inbox.receive(Duration::from_secs(1)){ match m {
  Some(SourceMessage::Delivery(mut d))=>{let mut v=vec![];let r=d.body.read_to_end(&mut v);println!("{} {:?} {}",d.origin,r,d.skip_records);for PositionRow{key,value,..} in d.position_rows(9,true){l.0.lock().unwrap().insert(key,value.unwrap());} rows.extend(d.cleanup.clone());}
  Some(SourceMessage::Problem(p))=>println!("{p}"), Some(SourceMessage::PollEnd{deliveries,..})=>println!("end {deliveries}"), _=>{} } }
 h.join().unwrap().unwrap();
 for r in rows {println!("{:?} {:?}",r.key,c.clean(&r));}
 println!("round {round} {b} {:?}",t.elapsed());
 }}
}
