import { readPackage, testPackage } from '../../../sim/devnet/move/compile.ts';
const files: Record<string, string> = { ...(await readPackage('move/floe')) };
const h = 'x"' + '11'.repeat(32) + '"';
files['sources/checks.move'] = `#[test_only] module floe::checks { use sui::test_scenario;
 #[test] fun a() { let mut s = test_scenario::begin(@0xA); 
  s.next_tx(@0xA);
  let c = floe::run::create(b"x".to_string(), ${h}, @0xB, s.ctx()); transfer::public_transfer(c, @0xA);
  let e = s.next_tx(@0xA);
  assert!(e.shared().length() == 1, 7);
  assert!(e.created().length() == 2, 8);
  s.next_tx(@0xA);
  let r = s.take_shared<floe::run::Run>(); 
  test_scenario::return_shared(r);
  s.end(); }
 public struct O has key { id: UID }
 #[test] fun b() { let mut s = test_scenario::begin(@0xA); 
  let o = O { id: object::new(s.ctx()) }; transfer::share_object(o);
  let e = s.next_tx(@0xA);
  assert!(e.shared().length() == 1, 7);
  let r = s.take_shared<O>(); 
  test_scenario::return_shared(r);
  s.end(); }
 #[test] fun c() { let mut s = test_scenario::begin(@0xA); 
  let o = O { id: object::new(s.ctx()) }; transfer::transfer(o, @0xA);
  s.next_tx(@0xA);
  let r = s.take_from_sender<O>(); 
  s.return_to_sender(r);
  s.end(); }
}`;
const r = await testPackage(files);
console.log(r.passed, r.output.slice(0, 5000));
